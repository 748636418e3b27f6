# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from monai.networks.layers import Conv
from torch import nn

__all__ = ["ChannelAdapter"]


class ChannelAdapter(nn.Module):
    r"""
    A 1×1 convolution that maps the student's channels to the teacher's, for a pathway's ``student_adapter``.

    .. math:: F'_o = \textstyle\sum_i W_{oi} F_i + b_o

    Its weights are trained: pass them to the optimizer and save them in the checkpoint.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the student's feature.
        out_channels: channels of the teacher's feature.

    Example:
        >>> ChannelAdapter(spatial_dims=3, in_channels=4, out_channels=9)(torch.rand(2, 4, 5, 6, 7)).shape
        torch.Size([2, 9, 5, 6, 7])
    """

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Conv[Conv.CONV, spatial_dims](in_channels, out_channels, kernel_size=1)

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """Map a feature (B, in_channels, H, W[, D]) to (B, out_channels, H, W[, D])."""
        adapted: torch.Tensor = self.conv(feature)
        return adapted
