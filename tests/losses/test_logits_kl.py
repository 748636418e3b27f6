# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from monai_kd.losses import LogitsKLLoss
from tests.loss_contract import LossContract


def softmax(values):
    exponentials = [math.exp(v - max(values)) for v in values]
    return [e / sum(exponentials) for e in exponentials]


class TestSoftmax(LossContract):
    def make_loss(self):
        return LogitsKLLoss(temperature=2.0)

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        total, positions = 0.0, 0
        for n in range(2):
            for h in range(6):
                for w in range(6):
                    p = softmax([z / 2.0 for z in teacher[n, :, h, w].tolist()])
                    q = softmax([z / 2.0 for z in student[n, :, h, w].tolist()])
                    total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
                    positions += 1
        expected = torch.tensor(2.0**2 * total / positions, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_an_offset_of_all_logits_changes_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student + 7.0, teacher - 3.0), self.make_loss()(student, teacher))


class TestTwoClasses(TestSoftmax):
    """Two classes are computed from the difference of their logits."""

    channels = 2

    def test_stays_exact_for_confident_logits(self):
        sure = torch.tensor([-300.0, 300.0]).reshape(1, 2, 1, 1)
        torch.testing.assert_close(LogitsKLLoss()(-sure, sure), torch.tensor(600.0))
        torch.testing.assert_close(LogitsKLLoss()(sure, sure), torch.tensor(0.0))


class TestSigmoid(LossContract):
    channels = 1

    def make_loss(self):
        return LogitsKLLoss(temperature=3.0, sigmoid=True)

    def test_equals_the_two_class_softmax_form(self):
        student, teacher = self.pair(dtype=torch.float64)
        two = [torch.cat([torch.zeros_like(z), z], dim=1) for z in (student, teacher)]
        torch.testing.assert_close(self.make_loss()(student, teacher), LogitsKLLoss(temperature=3.0)(*two))

    def test_stays_exact_for_confident_logits(self):
        value = self.make_loss()(torch.full((1, 1, 2, 2), -300.0), torch.full((1, 1, 2, 2), 300.0))
        torch.testing.assert_close(value, torch.tensor(9 * 100.0))  # T² · (z_t - z_s) / 2T, saturated


def test_gradient_keeps_its_size_when_the_temperature_rises():
    student, teacher = LossContract().pair(dtype=torch.float64)
    norms = []
    for temperature in (4.0, 8.0, 16.0, 32.0):
        leaf = student.clone().requires_grad_()
        LogitsKLLoss(temperature)(leaf, teacher).backward()
        norms.append(leaf.grad.norm().item())
    assert max(norms) / min(norms) < 1.2


def test_softmax_over_one_channel_is_refused_with_the_alternative():
    with pytest.raises(ValueError, match=r"one channel.*LogitsKLLoss\(sigmoid=True\)"):
        LogitsKLLoss()(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        LogitsKLLoss(temperature)
