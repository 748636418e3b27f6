# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape, check_tensor

__all__ = ["FeatureReconstructionLoss"]


class FeatureReconstructionLoss(nn.Module):
    r"""
    Squared error of an auto-encoder of a teacher's feature, with a sparse code (stage one of knowledge adaptation).

    .. math:: \frac{1}{|F|} \Big( \lVert F - D(E(F)) \rVert_2^2 + \alpha \lVert E(F) \rVert_1 \Big)

    Both sums are divided by the number of values in the feature, so the loss depends neither on the batch nor on the
    image size, and :math:`\alpha` has the paper's meaning.

    This loss does not distil. It is the ``loss_function`` that trains :class:`monai_kd.networks.FeatureAutoencoder`,
    whose code :class:`LatentAdaptationLoss` then compares with the student.

    Source: He et al., "Knowledge adaptation for efficient semantic segmentation", CVPR 2019, arXiv 1903.04688.

    Args:
        sparsity: the factor :math:`\alpha`, 0 or more. Defaults to 1e-7, as in the paper.

    Raises:
        ValueError: When ``sparsity`` is negative; at the call, when reconstruction and feature differ in shape.

    Example:
        >>> import torch
        >>> reconstruction, code, feature = torch.zeros(1, 4, 2, 2), torch.ones(1, 2, 1, 1), torch.ones(1, 4, 2, 2)
        >>> FeatureReconstructionLoss(sparsity=0.8)((reconstruction, code), feature)  # (16 + 0.8 * 2) / 16
        tensor(1.1000)
    """

    compares = "a teacher's feature and its reconstruction"
    paper = "He 2019, stage one"

    def __init__(self, sparsity: float = 1e-7) -> None:
        super().__init__()
        if not sparsity >= 0:
            raise ValueError(f"sparsity must be 0 or more, got {sparsity}. The paper has 1e-7.")
        self.sparsity = sparsity

    def extra_repr(self) -> str:
        return f"sparsity={self.sparsity}"

    @full_precision
    def forward(self, autoencoded: tuple[torch.Tensor, torch.Tensor], feature: torch.Tensor) -> torch.Tensor:
        """
        Args:
            autoencoded: reconstruction, shape BNH[WD], and code, of any shape.
            feature: the teacher's, in the reconstruction's shape; no gradient flows into it.
        """
        if isinstance(autoencoded, torch.Tensor) or len(autoencoded) != 2:
            held = "one tensor" if isinstance(autoencoded, torch.Tensor) else f"{len(autoencoded)} tensors"
            raise ValueError(
                f"FeatureReconstructionLoss got {held}, expected a reconstruction and a code. Pass the output of a "
                "FeatureAutoencoder."
            )
        reconstruction, code = autoencoded
        check_tensor(code, "code")
        check_same_shape(reconstruction, feature)
        return F.mse_loss(reconstruction, feature.detach()) + self.sparsity * code.abs().sum() / feature.numel()
