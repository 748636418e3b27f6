# SPDX-License-Identifier: Apache-2.0
import torch

from monai_kd.losses import LogitsMSELoss
from tests.loss_contract import LossContract


class TestLogitsMSE(LossContract):
    channels = 1

    def make_loss(self):
        return LogitsMSELoss()

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        pairs = list(zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True))
        expected = sum((s - t) ** 2 for s, t in pairs) / len(pairs)
        torch.testing.assert_close(self.make_loss()(student, teacher), torch.tensor(expected, dtype=torch.float64))
