# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from monai.networks.blocks import Convolution
from torch import nn

from monai_kd.networks.input_checks import resized

__all__ = ["ConvolutionAdapter"]


class ConvolutionAdapter(nn.Module):
    r"""
    A 3-wide convolution from the student's channels to the teacher's, with or without batch norm and ReLU.

    .. math:: F' = \max(0, \mathrm{BN}(W * r(F))) \qquad\text{or}\qquad F' = W * r(F) + b

    where :math:`r` resizes linearly to the teacher's spatial size, which a pathway passes at every call to its
    ``student_adapter``. The weights are trained: pass them to the optimizer and save them in the checkpoint.

    Source: the adapters of He et al., "Knowledge adaptation for efficient semantic segmentation", CVPR 2019, arXiv
    1903.04688: the one for features has batch norm and ReLU; the one for affinities has neither, as in torchdistill.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the student's feature.
        out_channels: channels of the teacher's feature.
        conv_only: leave out batch norm and ReLU. Defaults to False.

    Example:
        >>> adapter = ConvolutionAdapter(spatial_dims=2, in_channels=4, out_channels=9)
        >>> adapter(torch.rand(2, 4, 8, 8), size=[5, 6]).shape
        torch.Size([2, 9, 5, 6])
    """

    resizes = True

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int, conv_only: bool = False) -> None:
        super().__init__()
        self.layers = Convolution(
            spatial_dims, in_channels, out_channels, adn_ordering="NA", act="RELU", norm="BATCH", conv_only=conv_only
        )

    def forward(self, feature: torch.Tensor, size: list[int] | None = None) -> torch.Tensor:
        """
        Args:
            feature: shape (B, in_channels, H, W[, D]).
            size: spatial size of the result. Defaults to None: the feature's own.

        Returns:
            Shape ``(B, out_channels, *size)``.
        """
        adapted: torch.Tensor = self.layers(resized(feature, size))
        return adapted
