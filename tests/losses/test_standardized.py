# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from monai_kd.losses import LogitsKLLoss, StandardizedKLLoss
from tests.loss_contract import LossContract


def standardized(values):
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return [(value - mean) / (spread + 1e-7) for value in values]


class TestStandardizedOverClasses(LossContract):
    scale_free = True

    def make_loss(self):
        return StandardizedKLLoss()

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        terms = []
        for n in range(len(student)):
            for place in range(36):
                sides = [standardized(logits[n].flatten(1)[:, place].tolist()) for logits in (teacher, student)]
                sides = [[math.exp(value / 2) for value in side] for side in sides]
                p, q = ([value / sum(side) for value in side] for side in sides)
                terms.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
        assert self.make_loss()(student, teacher).item() == pytest.approx(4 * sum(terms) / len(terms), rel=1e-5)

    def test_two_classes_are_refused_with_the_alternative(self):
        with pytest.raises(ValueError, match=r"2 channels.*Use StandardizedKLLoss\(over='image'\)"):
            StandardizedKLLoss()(torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4))


class TestStandardizedOverTheImage(LossContract):
    scale_free = True

    def make_loss(self):
        return StandardizedKLLoss(over="image")

    def test_each_image_has_its_own_scale(self):
        student, teacher = self.pair(dtype=torch.float64)
        scale = torch.tensor([3.0, 0.2], dtype=torch.float64).reshape(2, 1, 1, 1)
        torch.testing.assert_close(self.make_loss()(scale * student, teacher), self.make_loss()(student, teacher))

    def test_of_standardized_logits_it_is_the_plain_divergence(self):
        student, teacher = (z - z.mean(1, keepdim=True) for z in self.pair(dtype=torch.float64))
        student, teacher = (z / z.flatten(1).square().mean(1).sqrt().reshape(2, 1, 1, 1) for z in (student, teacher))
        torch.testing.assert_close(self.make_loss()(student, teacher), LogitsKLLoss(2.0)(student, teacher))

    def test_two_classes_are_compared_and_one_is_not(self):
        student, teacher = self.pair()
        assert self.make_loss()(student[:, :2], teacher[:, :2]) > 0
        with pytest.raises(ValueError, match="Give a head of two channels"):
            self.make_loss()(student[:, :1], teacher[:, :1])


def test_another_axis_is_refused():
    with pytest.raises(ValueError, match="expected 'classes' or 'image'"):
        StandardizedKLLoss(over="batch")
