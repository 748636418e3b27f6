# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from monai_kd.losses import PairwiseAffinityLoss
from tests.loss_contract import LossContract


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def by_plain_loops(student, teacher):
    """The loss of features with a node for each position."""
    terms = []
    for n in range(len(student)):
        s, t = (feature[n].flatten(1).T.tolist() for feature in (student, teacher))
        terms += [(cosine(s[i], s[j]) - cosine(t[i], t[j])) ** 2 for i in range(len(s)) for j in range(len(s))]
    return torch.tensor(sum(terms) / len(terms), dtype=torch.float64)


class TestPairwiseAffinity(LossContract):
    scale_free = True
    takes_vectors = False
    size_independent = False  # the nodes of a tiled image hold other positions

    def make_loss(self):
        return PairwiseAffinityLoss()

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), by_plain_loops(student, teacher))

    def test_equation_by_plain_loops_in_3d(self):
        student, teacher = self.pair(3, side=3, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), by_plain_loops(student, teacher))

    @pytest.mark.parametrize("average", [False, True])
    def test_nodes_are_the_largest_or_mean_of_their_cells(self, average):
        student, teacher = self.pair(dtype=torch.float64)
        cells = [feature.unfold(2, 3, 3).unfold(3, 3, 3).flatten(4) for feature in (student, teacher)]
        nodes = [cell.mean(4) if average else cell.amax(4) for cell in cells]
        torch.testing.assert_close(
            PairwiseAffinityLoss(grid=2, average=average)(student, teacher), by_plain_loops(*nodes)
        )

    def test_length_of_each_vector_and_rotation_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        rotated = torch.einsum("mn,bnhw->bmhw", rotation, student) * (0.1 + torch.rand(2, 1, 6, 6, dtype=torch.float64))
        torch.testing.assert_close(self.make_loss()(rotated, teacher), self.make_loss()(student, teacher))

    def test_resolution_and_channels_may_differ(self):
        student, teacher = self.pair()
        finer = student.repeat_interleave(4, dim=2).repeat_interleave(2, dim=3)
        wider = torch.cat([teacher, teacher], dim=1)
        torch.testing.assert_close(self.make_loss()(finer, wider), self.make_loss()(student, teacher))

    @pytest.mark.parametrize("average", [False, True])
    def test_zero_and_constant_maps_have_finite_gradients(self, average):
        student, teacher = self.pair()
        student[0] = 0
        student[1] = 2.5
        student[1, :, 0, 0] = 0
        student.requires_grad_()
        value = PairwiseAffinityLoss(average=average)(student, teacher)
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all()
        assert not student.grad[0].any()

    @pytest.mark.parametrize(("shape", "nodes"), [((4, 2, 224, 224), 64), ((1, 2, 64, 64, 64), 512)])
    def test_nothing_is_larger_than_the_feature_or_the_affinities(self, shape, nodes):
        class Largest(TorchDispatchMode):
            numel = 0

            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                result = function(*args, **(kwargs or {}))
                sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
                self.numel = max([self.numel, *sizes])
                return result

        student, teacher = torch.rand(shape, requires_grad=True), torch.rand(shape)
        with Largest() as largest:
            self.make_loss()(student, teacher).backward()
        assert largest.numel <= max(student.numel(), shape[0] * nodes**2)

    def test_degenerate_uses_are_refused(self):
        with pytest.raises(ValueError, match="grid must be 2 or more, got 1"):
            PairwiseAffinityLoss(grid=1)
        with pytest.raises(ValueError, match=r"\(2, 3, 1, 1\) and \(2, 5, 4, 4\).*one position.*higher resolution"):
            self.make_loss()(torch.zeros(2, 3, 1, 1), torch.zeros(2, 5, 4, 4))
        with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\).*one channel"):
            self.make_loss()(torch.zeros(2, 1, 4, 4), torch.zeros(2, 5, 4, 4))
        for other in [(1, 3, 4, 4), (2, 3, 4, 4, 4)]:
            with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\).*same batch"):
                self.make_loss()(torch.zeros(2, 3, 4, 4), torch.zeros(other))
