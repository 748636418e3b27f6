# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import HiddenKLLoss
from tests.loss_contract import LossContract


def divergence(student, teacher, temperature):
    """The divergence of two lists of scores, by plain loops."""

    def softmax(values):
        exponentials = [math.exp(value / temperature) for value in values]
        return [e / sum(exponentials) for e in exponentials]

    return sum(p * math.log(p / q) for p, q in zip(softmax(teacher), softmax(student), strict=True))


class TestHiddenKL(LossContract):
    def make_loss(self):
        return HiddenKLLoss(temperature=2.0)

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        terms = [
            divergence(student[n, :, h, w].tolist(), teacher[n, :, h, w].tolist(), 2.0)
            for n, h, w in product(range(2), range(6), range(6))
        ]
        expected = torch.tensor(4.0 * sum(terms) / len(terms), dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_an_offset_at_each_position_changes_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        offset = torch.randn(2, 1, 6, 6, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student + offset, teacher), self.make_loss()(student, teacher))

    def test_one_channel_is_refused_with_the_alternative(self):
        with pytest.raises(ValueError, match=r"one channel, shape \(2, 1, 4, 4\).*Use ChannelWiseLoss"):
            HiddenKLLoss()(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))


def test_gradient_keeps_its_size_when_the_temperature_rises():
    student, teacher = LossContract().pair(dtype=torch.float64)
    norms = []
    for temperature in (4.0, 8.0, 16.0, 32.0):
        leaf = student.clone().requires_grad_()
        HiddenKLLoss(temperature)(leaf, teacher).backward()
        norms.append(leaf.grad.norm().item())
    assert max(norms) / min(norms) < 1.2
