# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import RelationalLoss
from tests.loss_contract import LossContract


def huber(a, b):
    return 0.5 * (a - b) ** 2 if abs(a - b) < 1 else abs(a - b) - 0.5


def relative_distances(e):
    n = range(len(e))
    distances = {(i, j): math.dist(e[i], e[j]) for i, j in product(n, n)}
    mean = sum(distances.values()) / sum(i != j for i, j in distances)
    return {pair: distance / mean for pair, distance in distances.items()}


def cosine(e, i, j, k):
    """Cosine of the angle at sample j between i and k; 0 where there is no angle."""
    if j in (i, k):
        return 0.0
    dot = sum((a - c) * (b - c) for a, b, c in zip(e[i], e[k], e[j], strict=True))
    return dot / (math.dist(e[i], e[j]) * math.dist(e[k], e[j]))


def by_plain_loops(student, teacher):
    """The two terms of lists of embeddings."""
    n = range(len(student))
    s, t = relative_distances(student), relative_distances(teacher)
    distance = sum(huber(s[pair], t[pair]) for pair in s) / len(s)
    angle = sum(huber(cosine(student, *ijk), cosine(teacher, *ijk)) for ijk in product(n, n, n)) / len(n) ** 3
    return distance, angle


class TestRelational(LossContract):
    one_rank = False
    scale_free = True

    def make_loss(self):
        return RelationalLoss()

    def pair(self, spatial_dims=2, batch=5, side=6, dtype=torch.float32):
        return super().pair(spatial_dims, batch, side, dtype)

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, dtype=torch.float64)
        distance, angle = by_plain_loops(*(feature.flatten(2).mean(2).tolist() for feature in (student, teacher)))
        expected = torch.tensor(25 * distance + 50 * angle, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_equation_by_plain_loops_of_flattened_cells(self):
        student, teacher = self.pair(dtype=torch.float64)
        cells = [feature.unfold(2, 3, 3).unfold(3, 3, 3).mean((4, 5)).flatten(1) for feature in (student, teacher)]
        distance, angle = by_plain_loops(*(cell.tolist() for cell in cells))
        for weights, expected in [((1.0, 0.0), distance), ((0.0, 2.0), 2 * angle)]:
            value = RelationalLoss(*weights, grid=2)(student, teacher)
            torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float64))

    def test_rotation_shift_and_scale_of_the_embeddings_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        moved = 7 * torch.einsum("mn,bnhw->bmhw", rotation, student) + torch.randn(1, 3, 1, 1, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(moved, teacher), self.make_loss()(student, teacher))

    def test_channels_and_resolution_may_differ(self):
        feature = torch.randn(4, 3, 4, 4)
        finer = feature.repeat_interleave(2, dim=2).repeat(1, 2, 1, 1)
        assert RelationalLoss(grid=2)(finer, feature) < 1e-9
        assert self.make_loss()(finer, torch.randn(4, 7, 3, 5, 2)) > 0

    def test_any_two_samples_lie_alike(self):
        student, teacher = self.pair(batch=2)
        student.requires_grad_()
        with pytest.warns(UserWarning, match=r"a batch of 2 samples.*Give 3 or more.*drop_last=True"):
            value = self.make_loss()(student, teacher)
        value.backward()
        torch.testing.assert_close(value, torch.tensor(0.0), atol=1e-9, rtol=0)
        torch.testing.assert_close(student.grad, torch.zeros_like(student), atol=1e-5, rtol=0)

    @pytest.mark.parametrize("equal", [2, 5])
    def test_equal_samples_have_finite_gradients(self, equal):
        student, teacher = self.pair()
        student[:equal] = 1.5
        student.requires_grad_()
        value = self.make_loss()(student, teacher)
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all()
        assert student.grad.abs().max() < 1e2

    def test_degenerate_uses_are_refused(self):
        with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\).*RelationalLoss.*two or more.*drop_last=True"):
            self.make_loss()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
        with pytest.raises(ValueError, match=r"\(4, 3, 4, 4\).*\(3, 3, 4, 4\).*same batch"):
            self.make_loss()(torch.zeros(4, 3, 4, 4), torch.zeros(3, 3, 4, 4))
        with pytest.raises(ValueError, match=r"must not be negative, got -1\.0 and 50\.0"):
            RelationalLoss(distance_weight=-1.0)
        with pytest.raises(ValueError, match="grid must be 1 or more, got 0"):
            RelationalLoss(grid=0)
