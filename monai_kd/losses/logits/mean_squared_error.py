# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["LogitsMSELoss"]


class LogitsMSELoss(nn.Module):
    r"""
    Mean squared difference of the raw logits (MSE in Behboodi et al.).

    .. math:: \big\langle (z^s - z^t)^2 \big\rangle

    Unlike the divergence of probabilities, it also penalizes an offset of all logits. It suits both softmax and sigmoid
    heads.

    Source: Ba and Caruana, "Do deep nets really need to be deep?", NeurIPS 2014, arXiv 1312.6184; for breast
    ultrasound Behboodi et al., Artificial Intelligence in Health 2(2), 2025, doi 10.36922/aih.3509.

    Raises:
        ValueError: At the call, when the shapes differ (``torch.nn.MSELoss`` would broadcast them).

    Example:
        >>> import torch
        >>> LogitsMSELoss()(torch.zeros(1, 2, 4, 4), torch.full((1, 2, 4, 4), 3.0)).item()
        9.0
    """

    compares = "raw logits, by squared difference"
    paper = "Ba and Caruana 2014; Behboodi 2025, MSE"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: logits, shape BNH[WD].
            teacher: logits, the same shape; no gradient flows into them.
        """
        check_same_shape(student, teacher)
        return F.mse_loss(student, teacher.detach())
