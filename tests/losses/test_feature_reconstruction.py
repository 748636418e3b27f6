# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.losses import FeatureReconstructionLoss
from tests.loss_contract import LossContract


class TestFeatureReconstruction(LossContract):
    """With the reconstruction as the student, the feature as the teacher, and a code that depends on neither."""

    def make_loss(self):
        return FeatureReconstructionLoss(sparsity=0.0)

    def call(self, loss, student, teacher, label=None):
        return loss((student, torch.zeros(2, 2, 3, 3)), teacher)

    def compare(self, loss, student, teacher):
        return loss((student, torch.zeros(2, 2, 3, 3)), teacher)


def test_equation_by_plain_loops():
    reconstruction, feature = LossContract().pair(dtype=torch.float64)
    code = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    squares = sum(
        (a - b) ** 2 for a, b in zip(reconstruction.flatten().tolist(), feature.flatten().tolist(), strict=True)
    )
    sizes = sum(abs(value) for value in code.flatten().tolist())
    expected = torch.tensor((squares + 0.3 * sizes) / feature.numel(), dtype=torch.float64)
    torch.testing.assert_close(FeatureReconstructionLoss(sparsity=0.3)((reconstruction, code), feature), expected)


def test_the_papers_factor_is_the_default():
    assert FeatureReconstructionLoss().sparsity == 1e-7


def test_batch_and_image_size_change_nothing():
    reconstruction, feature = LossContract().pair()
    code, loss = torch.randn(2, 2, 3, 3), FeatureReconstructionLoss(sparsity=0.3)
    tiled = [tensor.repeat(3, 1, 2, 2) for tensor in (reconstruction, code, feature)]
    torch.testing.assert_close(loss(tuple(tiled[:2]), tiled[2]), loss((reconstruction, code), feature))


def test_the_code_is_made_sparse():
    code = torch.randn(1, 2, 3, 3, requires_grad=True)
    feature = torch.rand(1, 4, 6, 6)
    FeatureReconstructionLoss(sparsity=1.0)((feature, code), feature).backward()
    torch.testing.assert_close(code.grad, code.detach().sign() / feature.numel())


def test_a_negative_factor_is_refused():
    with pytest.raises(ValueError, match=r"sparsity must be 0 or more, got -1"):
        FeatureReconstructionLoss(sparsity=-1.0)
