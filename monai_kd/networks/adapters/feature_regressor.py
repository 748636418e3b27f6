# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from monai.networks.layers import Conv
from torch import nn

from monai_kd.networks.input_checks import resized

__all__ = ["FeatureRegressor"]


class FeatureRegressor(nn.Module):
    r"""
    Two convolutions, each followed by a ReLU, from the student's channels to the teacher's (the regressor of HReg).

    .. math:: F' = \max(0, W_2 * \max(0, W_1 * r(F) + b_1) + b_2)

    where :math:`r` resizes linearly to the teacher's spatial size, which a pathway passes at every call to its
    ``student_adapter``. The weights are trained: pass them to the optimizer and save them in the checkpoint. The result
    is never negative, so the student cannot learn the negative part of a teacher's feature; leave that part out of the
    loss with ``teacher_adapter=torch.nn.ReLU()``.

    Source: Behboodi, Brooks and Rivaz, Artificial Intelligence in Health 2(2), 2025, doi 10.36922/aih.3509, after the
    hints of Romero et al., "FitNets", ICLR 2015, arXiv 1412.6550. The paper does not give the kernel size and the
    channels between the convolutions, so they are arguments.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the student's feature.
        out_channels: channels of the teacher's feature.
        hidden_channels: channels between the convolutions. Defaults to None: ``in_channels``, so that the regressor
            stays small beside the student.
        kernel_size: side of both kernels, odd. Defaults to 3.

    Raises:
        ValueError: When ``kernel_size`` is even or below 1.

    Example:
        >>> regressor = FeatureRegressor(spatial_dims=2, in_channels=4, out_channels=9)
        >>> regressor(torch.rand(2, 4, 8, 8), size=[5, 6]).shape
        torch.Size([2, 9, 5, 6])
    """

    resizes = True

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        hidden_channels: int | None = None,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"FeatureRegressor got kernel_size={kernel_size}. Give an odd number, such as 1 or 3.")
        convolution = Conv[Conv.CONV, spatial_dims]
        hidden = in_channels if hidden_channels is None else hidden_channels
        self.layers = nn.Sequential(
            convolution(in_channels, hidden, kernel_size, padding=kernel_size // 2),
            nn.ReLU(),
            convolution(hidden, out_channels, kernel_size, padding=kernel_size // 2),
            nn.ReLU(),
        )

    def forward(self, feature: torch.Tensor, size: list[int] | None = None) -> torch.Tensor:
        """
        Args:
            feature: shape (B, in_channels, H, W[, D]).
            size: spatial size of the result. Defaults to None: the feature's own.

        Returns:
            Shape ``(B, out_channels, *size)``.
        """
        regressed: torch.Tensor = self.layers(resized(feature, size))
        return regressed
