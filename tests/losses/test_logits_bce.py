# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from monai_kd.losses import LogitsBCELoss
from tests.loss_contract import LossContract


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


class TestSigmoid(LossContract):
    def make_loss(self):
        return LogitsBCELoss(temperature=2.0)

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        terms = []
        for zs, zt in zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True):
            p, q = sigmoid(zs / 2.0), sigmoid(zt / 2.0)
            terms.append(-4.0 * (q * math.log(p) + (1 - q) * math.log(1 - p)))
        expected = torch.tensor(sum(terms) / len(terms), dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_what_remains_at_the_minimum_is_the_entropy_of_the_teacher(self):
        _, teacher = self.pair(dtype=torch.float64)
        q = (teacher / 2.0).sigmoid()
        entropy = -(q * q.log() + (1 - q) * (1 - q).log()).mean()
        torch.testing.assert_close(self.make_loss()(teacher, teacher), 4.0 * entropy)


class TestSoftmax(LossContract):
    def make_loss(self):
        return LogitsBCELoss(softmax=True)

    def test_equals_binary_cross_entropy_of_the_softmax_probabilities(self):
        student, teacher = self.pair(dtype=torch.float64)
        expected = torch.nn.functional.binary_cross_entropy(student.softmax(1), teacher.softmax(1))
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)


def test_one_channel_has_no_other_classes():
    with pytest.raises(ValueError, match=r"one channel.*Leave softmax=True out"):
        LogitsBCELoss(softmax=True)(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))
