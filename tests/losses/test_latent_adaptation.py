# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import LatentAdaptationLoss
from tests.loss_contract import LossContract


def unit(vector):
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


class TestLatentAdaptation(LossContract):
    scale_free = True

    def make_loss(self):
        return LatentAdaptationLoss()

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        terms = []
        for n, h, w in product(range(2), range(6), range(6)):
            s, t = (unit(feature[n, :, h, w].tolist()) for feature in (student, teacher))
            terms += [abs(a - b) for a, b in zip(s, t, strict=True)]
        expected = torch.tensor(sum(terms) / len(terms), dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_lengths_of_the_vectors_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        lengths = torch.rand(2, 1, 6, 6, dtype=torch.float64) + 0.1
        value = self.make_loss()(student, teacher)
        torch.testing.assert_close(self.make_loss()(lengths * student, teacher), value)
        torch.testing.assert_close(self.make_loss()(student, lengths * teacher), value)

    def test_moving_both_alike_changes_nothing(self):
        pair = self.pair(dtype=torch.float64)
        moved = [feature.roll((1, 2), dims=(2, 3)).roll(1, dims=1) for feature in pair]
        torch.testing.assert_close(self.make_loss()(*moved), self.make_loss()(*pair))

    @pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 2, 3, 3, 3)])
    def test_zero_vectors_give_a_finite_value_and_gradient(self, shape):
        student, teacher = torch.zeros(shape, requires_grad=True), torch.rand(shape)
        for target in (teacher, torch.zeros(shape)):
            value = self.make_loss()(student, target)
            value.backward()
            assert value.isfinite() and student.grad.isfinite().all() and student.grad.abs().max() < 1e3

    def test_one_channel_is_refused(self):
        with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\).*one channel have no angle.*more channels"):
            self.make_loss()(torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4))
