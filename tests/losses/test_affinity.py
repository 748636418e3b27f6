# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
import torch.nn.functional as F

from monai_kd.losses import AffinityLoss
from tests.loss_contract import LossContract


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def by_plain_loops(student, teacher):
    """The loss of features on one grid, without pooling."""
    distances = []
    for s, t in zip(student.flatten(2), teacher.flatten(2), strict=True):
        count = s.shape[1]
        total = 0.0
        for i in range(count):
            for j in range(count):
                a = cosine(s[:, i].tolist(), s[:, j].tolist()) / count
                b = cosine(t[:, i].tolist(), t[:, j].tolist()) / count
                total += (a - b) ** 2
        distances.append(math.sqrt(total))
    return torch.tensor(sum(distances) / len(distances), dtype=torch.float64)


class TestAffinity(LossContract):
    scale_free = True
    takes_vectors = False

    def make_loss(self):
        return AffinityLoss()

    @pytest.mark.parametrize(("spatial_dims", "side"), [(2, 4), (3, 2)])
    def test_equation_by_plain_loops(self, spatial_dims, side):
        student, teacher = self.pair(spatial_dims, side=side, dtype=torch.float64)
        teacher = torch.cat([teacher, student.roll(1, 2)], dim=1)  # the teacher has more channels
        torch.testing.assert_close(self.make_loss()(student, teacher), by_plain_loops(student, teacher))

    def test_lengths_of_the_vectors_and_a_rotation_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        lengths = torch.rand(2, 1, 6, 6, dtype=torch.float64) + 0.1
        rotated = torch.einsum("mn,bnhw->bmhw", rotation, lengths * student)
        torch.testing.assert_close(self.make_loss()(rotated, teacher), self.make_loss()(student, teacher))

    def test_moving_the_positions_of_both_alike_changes_nothing(self):
        pair, order = self.pair(dtype=torch.float64), torch.randperm(36)
        moved = [feature.flatten(2)[..., order].reshape(2, 3, 6, 6) for feature in pair]
        torch.testing.assert_close(self.make_loss()(*moved), self.make_loss()(*pair))

    def test_a_feature_beyond_the_bound_is_averaged_first(self):
        student, teacher = self.pair(side=8, dtype=torch.float64)
        pooled = [F.avg_pool2d(feature, 2) for feature in (student, teacher)]
        torch.testing.assert_close(AffinityLoss(max_positions=16)(student, teacher), AffinityLoss()(*pooled))

    def test_no_matrix_outgrows_the_bound(self):
        largest = 0

        class Largest(torch.utils._python_dispatch.TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                nonlocal largest
                output = function(*args, **(kwargs or {}))
                if isinstance(output, torch.Tensor) and output.ndim == 3 and output.shape[1] == output.shape[2]:
                    largest = max(largest, output.shape[1])
                return output

        with Largest():
            self.make_loss()(torch.rand(1, 2, 224, 224), torch.rand(1, 3, 224, 224))
            self.make_loss()(torch.rand(1, 2, 40, 40, 40), torch.rand(1, 3, 40, 40, 40))
        assert 900 < largest <= 1024

    @pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 2, 3, 3, 3)])
    def test_zero_and_constant_maps_give_a_finite_value_and_gradient(self, shape):
        for level in (0.0, 1.0):
            student = torch.full(shape, level, requires_grad=True)
            value = self.make_loss()(student, torch.rand(shape))
            value.backward()
            assert value.isfinite() and student.grad.isfinite().all()

    @pytest.mark.parametrize(
        ("student", "teacher", "reason"),
        [
            ((2, 1, 4, 4), (2, 3, 4, 4), r"\(2, 1, 4, 4\).*one channel.*more channels"),
            ((2, 3, 4, 4), (1, 3, 4, 4), r"\(2, 3, 4, 4\).*\(1, 3, 4, 4\).*the same batch"),
            ((2, 3, 4, 4), (2, 3, 1, 1), r"\(2, 3, 1, 1\): a grid of one position.*higher resolution"),
        ],
        ids=["one channel", "batches", "one position"],
    )
    def test_degenerate_features_are_refused(self, student, teacher, reason):
        with pytest.raises(ValueError, match=reason):
            self.make_loss()(torch.rand(student), torch.rand(teacher))

    def test_too_small_a_bound_is_refused(self):
        with pytest.raises(ValueError, match=r"max_positions must be 8 or more, got 1"):
            AffinityLoss(max_positions=1)
