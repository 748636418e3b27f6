# SPDX-License-Identifier: Apache-2.0
"""A thin U-Net with depthwise-separable or with regular convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from monai.networks.layers import Pool, get_act_layer, get_norm_layer
from torch import Tensor, nn
from torch.nn import functional

from monai_kd.networks.fast_volumes import convolution
from monai_kd.networks.input_checks import check_arguments, check_image

__all__ = ["SeparableUNet"]


class SeparableUNet(nn.Module):
    """
    Thin U-Net whose 3-wide convolutions are depthwise-separable or, by one argument, regular.

    A regular teacher and a separable student have the same levels, layer names and feature shapes, so every block can
    be compared without an adapter. A block is convolution, activation, convolution, activation, normalization. The
    network goes down by maximum pooling and up by nearest-neighbor upsampling; skips are concatenated. A separable
    convolution is a 3-wide one for each channel, then a 1-wide one across channels, with nothing between them. At C
    channels it has C + 9 weights per output channel in 2D, not 9 C. Weights are initialized as in He et al. (arXiv
    1502.01852), biases with zero.

    Parameters with the default channels, one image channel and two classes:

    ==== ========= ======= =====
    axes separable regular ratio
    ==== ========= ======= =====
    2D   42,443    287,714 6.8
    3D   60,317    859,682 14.3
    ==== ========= ======= =====

    Layers for a pathway: ``"encoder.levels.0"`` … from the highest resolution down, ``"encoder"`` for the last of them;
    ``"decoder.levels.0"`` … from the deepest up, ``"decoder"`` for the last. Each level's ``".convolve"`` is its last
    activation before the normalization.

    Source: Vaze, Xie and Namburete, "Low-memory CNNs enabling real-time ultrasound segmentation towards mobile
    deployment", IEEE JBHI 2020. Their published network also applies dropout to the input and the deepest feature, and
    their distilled student has one more convolution in its second deepest level.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        out_channels: channels of the logits.
        channels: channels of each level; level ``i`` has 1 / 2^i of the image's resolution. Defaults to seven levels
            of 32, as published.
        separable: False for a regular teacher. Defaults to True, the student.
        act: activation, in MONAI's notation. Defaults to ``"relu"``, as published.
        norm: normalization, in MONAI's notation. Defaults to ``"batch"``, as published.

    Shapes:
        image (B, in_channels, H, W[, D]) to logits (B, out_channels, H, W[, D]). Any size of 2^len(channels) or more is
        allowed: feature sizes are rounded down, and the logits have the image's size.

    Raises:
        ValueError: When an argument is out of range; at the call, when an image has other channels or is too small for
            the number of levels.

    Example:
        >>> teacher = SeparableUNet(2, 1, 2, channels=(8, 16, 32), separable=False)
        >>> student = SeparableUNet(2, 1, 2, channels=(8, 16, 32))
        >>> image = torch.zeros(1, 1, 33, 20)
        >>> student.eval()(image).shape == teacher.eval()(image).shape
        True
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int] = (32,) * 7,
        separable: bool = True,
        act: str | tuple[str, dict[str, Any]] = "relu",
        norm: str | tuple[str, dict[str, Any]] = "batch",
    ) -> None:
        super().__init__()
        check_arguments("SeparableUNet", spatial_dims, in_channels, out_channels, channels)
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.smallest = 2 ** len(channels)
        style = (separable, act, norm)
        self.encoder = _Encoder(spatial_dims, [in_channels, *channels], *style)
        self.decoder = _Decoder(spatial_dims, channels[::-1], *style)
        self.head = convolution(spatial_dims)(channels[0], out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits, shape (B, out_channels, H, W[, D]), of an image (B, in_channels, H, W[, D])."""
        if not torch.jit.is_scripting() and not torch.jit.is_tracing():  # type: ignore[no-untyped-call]
            check_image("SeparableUNet", image, self.spatial_dims, self.in_channels, self.smallest)
        skips: list[Tensor] = []
        x = self.encoder(image, skips)
        logits: Tensor = self.head(self.decoder(x, skips))
        return logits


class _Encoder(nn.Module):
    """Levels of halving resolution; returns the deepest feature and appends those above it to ``skips``."""

    def __init__(self, spatial_dims: int, channels: Sequence[int], separable: bool, act: Any, norm: Any) -> None:
        super().__init__()
        self.pool = Pool[Pool.MAX, spatial_dims](kernel_size=2)
        self.levels = nn.ModuleList(
            _Block(spatial_dims, wide, narrow, separable, act, norm) for wide, narrow in pairwise(channels)
        )

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for level in self.levels:
            x = level(x if len(skips) == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        return x


class _Decoder(nn.Module):
    """Levels of doubling resolution; takes the skips from the last to the first."""

    def __init__(self, spatial_dims: int, channels: Sequence[int], separable: bool, act: Any, norm: Any) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            _Block(spatial_dims, deep + skip, skip, separable, act, norm) for deep, skip in pairwise(channels)
        )

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for level in self.levels:
            skip = skips.pop()
            x = level(torch.cat([skip, functional.interpolate(x, size=skip.shape[2:], mode="nearest")], dim=1))
        return x


class _Block(nn.Module):
    """Two convolutions, each with its activation, and a normalization."""

    def __init__(
        self, spatial_dims: int, in_channels: int, out_channels: int, separable: bool, act: Any, norm: Any
    ) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            _convolution(spatial_dims, in_channels, out_channels, separable),
            get_act_layer(act),
            _convolution(spatial_dims, out_channels, out_channels, separable),
            get_act_layer(act),
        )
        self.norm = get_norm_layer(norm, spatial_dims, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        normalized: Tensor = self.norm(self.convolve(x))
        return normalized


def _convolution(spatial_dims: int, in_channels: int, out_channels: int, separable: bool) -> nn.Module:
    layer = convolution(spatial_dims)
    # Nothing normalizes between the convolutions: with torch's initialization the biases would outweigh the image.
    if not separable:
        regular: nn.Module = layer(in_channels, out_channels, kernel_size=3, padding=1)
        return _start(regular, "relu")
    depthwise = layer(in_channels, in_channels, kernel_size=3, padding=1, groups=in_channels, bias=False)
    pointwise = layer(in_channels, out_channels, kernel_size=1)
    return nn.Sequential(_start(depthwise, "linear"), _start(pointwise, "relu"))


def _start(layer: Any, nonlinearity: Literal["linear", "relu"]) -> nn.Module:
    nn.init.kaiming_normal_(layer.weight, nonlinearity=nonlinearity)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    started: nn.Module = layer
    return started
