# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import ChannelWiseLoss
from tests.loss_contract import LossContract


def softmax(values, temperature):
    exponentials = [math.exp(value / temperature) for value in values]
    return [e / sum(exponentials) for e in exponentials]


class TestChannelWise(LossContract):
    takes_vectors = False

    def make_loss(self):
        return ChannelWiseLoss()

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, dtype=torch.float64)
        terms = []
        for n, c in product(range(2), range(3)):
            q, p = (softmax(feature[n, c].flatten().tolist(), 4.0) for feature in (student, teacher))
            terms.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
        expected = torch.tensor(16 * sum(terms) / len(terms), dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_an_offset_of_each_channel_changes_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        offset = torch.randn(2, 3, 1, 1, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student + offset, teacher), self.make_loss()(student, teacher))

    def test_moving_both_alike_changes_nothing(self):
        pair = self.pair(dtype=torch.float64)
        moved = [tensor.roll((1, 2), dims=(2, 3)) for tensor in pair]
        torch.testing.assert_close(self.make_loss()(*moved), self.make_loss()(*pair))

    def test_one_channel_is_compared(self):
        student, teacher = self.pair()
        assert self.make_loss()(student[:, :1], teacher[:, :1]) > 0

    def test_one_position_is_refused_with_the_alternative(self):
        with pytest.raises(ValueError, match=r"one position, shape \(2, 3, 1, 1\).*Use HiddenKLLoss"):
            ChannelWiseLoss()(torch.zeros(2, 3, 1, 1), torch.zeros(2, 3, 1, 1))

    def test_gradient_keeps_its_size_when_the_temperature_rises(self):
        student, teacher = self.pair(dtype=torch.float64)
        norms = []
        for temperature in (4.0, 8.0, 16.0, 32.0):
            leaf = student.clone().requires_grad_()
            ChannelWiseLoss(temperature)(leaf, teacher).backward()
            norms.append(leaf.grad.norm().item())
        assert max(norms) / min(norms) < 1.2
