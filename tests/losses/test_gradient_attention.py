# SPDX-License-Identifier: Apache-2.0
import math

import torch

from monai_kd.losses import GradientAttentionLoss
from tests.loss_contract import LossContract


class TestGradientAttention(LossContract):
    size_independent = False  # a norm over the whole image; the gradients themselves shrink with its size

    def make_loss(self):
        return GradientAttentionLoss()

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(batch=3, dtype=torch.float64)
        norms = [
            math.sqrt(sum((a - b) ** 2 for a, b in zip(s.flatten().tolist(), t.flatten().tolist(), strict=True)))
            for s, t in zip(student, teacher, strict=True)
        ]
        expected = torch.tensor(0.5 * sum(norms) / 3, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_pulls_alike_however_small_the_difference(self):
        student, teacher = self.pair(dtype=torch.float64)
        pulls = []
        for step in (1e-6, 1.0):
            moved = (teacher + step * student).requires_grad_()
            pulls.append(torch.autograd.grad(self.make_loss()(moved, teacher), moved)[0].norm())
        torch.testing.assert_close(*pulls, rtol=1e-6, atol=0)
