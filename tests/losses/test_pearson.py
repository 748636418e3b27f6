# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from monai_kd.losses import FeaturePearsonLoss
from tests.loss_contract import LossContract


class TestFeaturePearson(LossContract):
    scale_free = True

    def make_loss(self):
        return FeaturePearsonLoss()

    def test_it_is_one_minus_pearsons_correlation(self):
        student, teacher = self.pair(dtype=torch.float64)
        rows = [feature.transpose(0, 1).flatten(1).numpy() for feature in (student, teacher)]
        correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(*rows, strict=True)]
        expected = 1 - np.mean(correlations)
        assert self.make_loss()(student, teacher).item() == pytest.approx(expected, rel=1e-5)

    def test_an_offset_of_each_channel_changes_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        offset = torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64).reshape(1, 3, 1, 1)
        torch.testing.assert_close(self.make_loss()(student + offset, teacher), self.make_loss()(student, teacher))

    def test_a_constant_channel_sends_no_large_gradient(self):
        student = torch.zeros(2, 3, 4, 4, requires_grad=True)
        self.make_loss()(student, torch.rand(2, 3, 4, 4)).backward()
        assert student.grad.isfinite().all()

    @pytest.mark.parametrize("count", [1, 2])
    def test_too_few_numbers_a_channel_are_refused(self, count):
        with pytest.raises(ValueError, match=rf"got {count} numbers a channel, shape \({count}, 3\)"):
            self.make_loss()(torch.rand(count, 3), torch.rand(count, 3))
