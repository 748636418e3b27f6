# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from monai_kd.losses import VariationalInformationLoss
from tests.loss_contract import LossContract


class TestVariationalInformation(LossContract):
    def make_loss(self):
        torch.manual_seed(0)
        loss = VariationalInformationLoss(channels=3)
        torch.nn.init.normal_(loss.scale)
        return loss

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, dtype=torch.float64)
        loss = self.make_loss()
        terms = []
        for c in range(3):
            variance = math.log(1 + math.exp(loss.scale[c].item())) + 1e-5
            pairs = zip(student[:, c].flatten().tolist(), teacher[:, c].flatten().tolist(), strict=True)
            terms += [0.5 * ((t - s) ** 2 / variance + math.log(variance)) for s, t in pairs]
        assert loss(student, teacher).item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)

    def test_the_variance_starts_where_it_is_told(self):
        loss = VariationalInformationLoss(channels=2, initial_variance=0.3)
        assert torch.allclose(torch.nn.functional.softplus(loss.scale) + 1e-5, torch.tensor(0.3))

    def test_the_variance_learns_what_the_student_cannot_predict(self):
        generator = torch.Generator().manual_seed(0)
        teacher = torch.randn(64, 2, generator=generator) * torch.tensor([0.1, 3.0])
        loss = VariationalInformationLoss(channels=2)
        optimizer = torch.optim.Adam(loss.parameters(), 0.1)
        for _ in range(500):
            optimizer.zero_grad()
            loss(torch.zeros_like(teacher), teacher).backward()
            optimizer.step()
        variance = torch.nn.functional.softplus(loss.scale).detach()
        torch.testing.assert_close(variance, teacher.square().mean(0), rtol=0.05, atol=1e-3)

    def test_other_channels_are_refused(self):
        with pytest.raises(ValueError, match=r"channels=3, but the features are \(2, 4, 5, 5\). Give channels=4"):
            self.make_loss()(torch.rand(2, 4, 5, 5), torch.rand(2, 4, 5, 5))
        with pytest.raises(ValueError, match="a variance above 1e-05"):
            VariationalInformationLoss(channels=3, initial_variance=0.0)
