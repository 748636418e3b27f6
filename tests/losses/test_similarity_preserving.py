# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from monai_kd.losses import SimilarityPreservingLoss
from tests.loss_contract import LossContract


def similarities(feature):
    """Rows of unit length, by plain loops."""
    samples = feature.flatten(1).tolist()
    rows = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in samples] for a in samples]
    return [[value / math.sqrt(sum(v * v for v in row)) for value in row] for row in rows]


class TestSimilarityPreserving(LossContract):
    one_rank = False
    scale_free = True
    batch_independent = False  # unit rows have smaller entries the longer they are

    def make_loss(self):
        return SimilarityPreservingLoss()

    def pair(self, spatial_dims=2, batch=5, side=6, dtype=torch.float32):
        return super().pair(spatial_dims, batch, side, dtype)

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, dtype=torch.float64)
        rows = zip(similarities(student), similarities(teacher), strict=True)
        total = sum((a - b) ** 2 for s, t in rows for a, b in zip(s, t, strict=True))
        expected = torch.tensor(total / 25, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_a_batch_repeated_k_times_gives_one_kth(self):
        pair = self.pair(dtype=torch.float64)
        repeated = [feature.repeat(4, 1, 1, 1) for feature in pair]
        torch.testing.assert_close(4 * self.make_loss()(*repeated), self.make_loss()(*pair))

    def test_scale_and_rotation_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        rotated = -7 * torch.einsum("mn,bnhw->bmhw", rotation, student)
        torch.testing.assert_close(self.make_loss()(rotated, teacher), self.make_loss()(student, teacher))

    def test_the_order_of_the_samples_changes_nothing(self):
        pair = self.pair(dtype=torch.float64)
        shuffled = [feature[[3, 0, 4, 2, 1]] for feature in pair]
        torch.testing.assert_close(self.make_loss()(*shuffled), self.make_loss()(*pair))

    def test_channels_and_resolution_may_differ(self):
        feature = torch.randn(4, 3, 4, 4)
        finer = feature.repeat_interleave(2, dim=2).repeat(1, 2, 1, 1)
        assert self.make_loss()(finer, feature) < 1e-10
        assert self.make_loss()(finer, torch.randn(4, 7, 3, 5, 2)) > 0

    @pytest.mark.parametrize("zeros", [[0], [0, 1, 2, 3, 4]])
    def test_samples_of_zeros_have_no_gradient(self, zeros):
        student, teacher = self.pair()
        student[zeros] = 0
        student.requires_grad_()
        value = self.make_loss()(student, teacher)
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all()
        assert student.grad.abs().max() < 1

    def test_one_sample_is_refused(self):
        with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\).*SimilarityPreservingLoss.*two or more.*drop_last=True"):
            self.make_loss()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))

    def test_other_samples_are_refused(self):
        with pytest.raises(ValueError, match=r"\(4, 3, 4, 4\).*\(3, 3, 4, 4\).*same batch"):
            self.make_loss()(torch.zeros(4, 3, 4, 4), torch.zeros(3, 3, 4, 4))
