# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["VariationalInformationLoss"]

_SMALLEST = 1e-5


class VariationalInformationLoss(nn.Module):
    r"""
    Negative log-likelihood of the teacher's feature, given the student's, with a learned variance for each channel
    (VID).

    .. math:: \tfrac12 \big\langle (F^t_c - \mu_c(F^s))^2 / \sigma_c^2 + \log \sigma_c^2 \big\rangle, \qquad
              \sigma_c^2 = \log(1 + e^{\alpha_c}) + 10^{-5}

    Channels that the student cannot predict get a large variance and stop pulling. The student's adapter is
    :math:`\mu`; the authors' is three 1×1 convolutions with ReLU between them. The variances are trained: give the
    pathways to the optimizer. The value may be below zero.

    Source: Ahn et al., "Variational information distillation for knowledge transfer", CVPR 2019, arXiv 1904.05835.

    Args:
        channels: of the teacher's feature.
        initial_variance: of each channel, above 1e-5. Defaults to 5.0, the authors'.

    Raises:
        ValueError: When an argument is out of range; at the call, when the shapes differ, or the feature has other
            channels.

    Example:
        >>> loss = VariationalInformationLoss(channels=3, initial_variance=1.0)
        >>> round(loss(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)).item(), 3)
        0.5
    """

    compares = "values, by their likelihood under a learned variance"
    paper = "VID: Ahn 2019"

    def __init__(self, channels: int, initial_variance: float = 5.0) -> None:
        super().__init__()
        if channels < 1 or not initial_variance > _SMALLEST:
            raise ValueError(
                f"VariationalInformationLoss(channels={channels}, initial_variance={initial_variance}): expected "
                f"channels of 1 or more and a variance above {_SMALLEST}."
            )
        self.initial_variance = initial_variance
        self.scale = nn.Parameter(torch.full((channels,), math.log(math.expm1(initial_variance - _SMALLEST))))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"channels={len(self.scale)}, initial_variance={self.initial_variance}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: prediction of the teacher's feature, shape (B, channels, H, W[, D]).
            teacher: feature, the same shape; no gradient flows into it.
        """
        check_same_shape(student, teacher)
        if student.shape[1] != len(self.scale):
            raise ValueError(
                f"VariationalInformationLoss has channels={len(self.scale)}, but the features are "
                f"{tuple(student.shape)}. Give channels={student.shape[1]}."
            )
        variance = F.softplus(self.scale).to(student.dtype) + _SMALLEST
        variance = variance.reshape(1, -1, *[1] * (student.ndim - 2))
        return 0.5 * ((teacher.detach() - student).square() / variance + variance.log()).mean()
