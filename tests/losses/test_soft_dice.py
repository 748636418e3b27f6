# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from monai_kd.losses import SoftDiceLoss
from tests.loss_contract import LossContract


def softmax(values):
    exponentials = [math.exp(v - max(values)) for v in values]
    return [e / sum(exponentials) for e in exponentials]


class TestSoftDice(LossContract):
    takes_vectors = False

    def make_loss(self) -> nn.Module:
        return SoftDiceLoss()

    @pytest.mark.parametrize("include_background", [False, True])
    def test_equation_by_plain_loops(self, include_background):
        student, teacher = self.pair(dtype=torch.float64)
        terms = []
        for n in range(2):
            places = [(h, w) for h in range(6) for w in range(6)]
            p = [softmax(student[n, :, h, w].tolist()) for h, w in places]
            q = [softmax(teacher[n, :, h, w].tolist()) for h, w in places]
            for c in range(0 if include_background else 1, 3):
                both = sum(a[c] * b[c] for a, b in zip(p, q, strict=True))
                squares = sum(a[c] ** 2 for a in p) + sum(b[c] ** 2 for b in q)
                terms.append(1 - 2 * both / squares)
        loss = SoftDiceLoss(include_background)(student, teacher)
        torch.testing.assert_close(loss, torch.tensor(sum(terms) / len(terms)), rtol=1e-4, atol=1e-5, check_dtype=False)

    def test_a_small_lesion_counts_as_much_as_a_large_one(self):
        def missed(side):
            teacher = torch.full((1, 2, 32, 32), 8.0)
            teacher[:, 1] = -8.0
            student = teacher.clone()
            teacher[:, 1, :side, :side], teacher[:, 0, :side, :side] = 8.0, -8.0
            return SoftDiceLoss()(student, teacher)

        torch.testing.assert_close(missed(4), missed(24), rtol=1e-3, atol=1e-3)

    def test_nothing_in_both_is_agreement(self):
        nothing = torch.tensor([30.0, -30.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
        assert SoftDiceLoss()(nothing, nothing) < 1e-6


def test_one_channel_is_refused():
    with pytest.raises(ValueError, match="logits of one channel"):
        SoftDiceLoss()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
