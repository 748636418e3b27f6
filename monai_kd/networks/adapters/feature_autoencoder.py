# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.blocks import Convolution
from torch import nn

from monai_kd.networks.input_checks import resized

__all__ = ["FeatureAutoencoder"]


class FeatureAutoencoder(nn.Module):
    r"""
    Compresses a teacher's feature to a code that a student can imitate, and reconstructs it (knowledge translation).

    .. math:: (D(E(F)),\ E(F))

    The encoder is a chain of strided 3-wide convolutions, each with batch norm and ReLU. So its code is never negative,
    like the student's feature after a :class:`ConvolutionAdapter`. The decoder mirrors the encoder; its last
    convolution has no ReLU, because features can be negative. It enlarges by interpolation, not by transposed
    convolutions, so the reconstruction has the feature's size even where that is odd.

    Train it on a frozen teacher with :class:`monai_kd.losses.FeatureReconstructionLoss`. Then its ``encoder`` is the
    ``teacher_adapter`` of a pathway.

    Source: in the style of He et al., "Knowledge adaptation for efficient semantic segmentation", CVPR 2019, arXiv
    1903.04688. We could not check the paper's widths, strides and number of convolutions, so they are arguments.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the teacher's feature.
        channels: channels after each convolution of the encoder; the last number is the code's.
        strides: one number for each convolution of the encoder.

    Raises:
        ValueError: When ``channels`` and ``strides`` differ in length, or a number is below 1; at the call, when the
            feature does not have ``in_channels``.

    Example:
        >>> autoencoder = FeatureAutoencoder(spatial_dims=2, in_channels=32, channels=[16, 8], strides=[2, 1])
        >>> reconstruction, code = autoencoder(torch.rand(2, 32, 7, 7))
        >>> tuple(reconstruction.shape), tuple(code.shape)
        ((2, 32, 7, 7), (2, 8, 4, 4))
    """

    def __init__(self, spatial_dims: int, in_channels: int, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        _check_arguments(in_channels, channels, strides)
        self.in_channels = in_channels
        widths = [in_channels, *channels]
        self.encoder = nn.Sequential(
            *(
                Convolution(spatial_dims, wide, narrow, strides=stride, adn_ordering="NA", act="RELU", norm="BATCH")
                for (wide, narrow), stride in zip(pairwise(widths), strides, strict=True)
            )
        )
        self.decoder = _Decoder(spatial_dims, widths[::-1], tuple(strides))

    def forward(self, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The reconstruction of a feature (B, in_channels, H, W[, D]), in the feature's shape, and its code."""
        if feature.shape[1] != self.in_channels:
            raise ValueError(
                f"FeatureAutoencoder got a feature of shape {tuple(feature.shape)}, expected {self.in_channels} "
                "channels. Set in_channels to those of the teacher's layer; layer_shapes(teacher, image) lists them."
            )
        code = self.encoder(feature)
        return self.decoder(code, list(feature.shape[2:])), code


class _Decoder(nn.Module):
    """Mirrors the encoder's convolutions, each at the input resolution of its counterpart."""

    def __init__(self, spatial_dims: int, widths: Sequence[int], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides = strides
        pairs = list(pairwise(widths))
        hidden = [
            Convolution(spatial_dims, narrow, wide, adn_ordering="NA", act="RELU", norm="BATCH")
            for narrow, wide in pairs[:-1]
        ]
        self.layers = nn.ModuleList([*hidden, Convolution(spatial_dims, *pairs[-1], conv_only=True)])

    def forward(self, code: torch.Tensor, size: list[int]) -> torch.Tensor:
        sizes = [size]
        for stride in self.strides[:-1]:
            sizes.append([-(-side // stride) for side in sizes[-1]])
        x = code
        for layer, target in zip(self.layers, reversed(sizes), strict=True):
            x = layer(resized(x, target))
        return x


def _check_arguments(in_channels: int, channels: Sequence[int], strides: Sequence[int]) -> None:
    if not channels or len(channels) != len(strides):
        raise ValueError(
            f"FeatureAutoencoder got channels={tuple(channels)} and strides={tuple(strides)}. Give one of both for "
            "each convolution of the encoder, at least one."
        )
    if min(in_channels, *channels, *strides) < 1:
        raise ValueError(
            f"FeatureAutoencoder got in_channels={in_channels}, channels={tuple(channels)} and "
            f"strides={tuple(strides)}. Give numbers of 1 or more."
        )
