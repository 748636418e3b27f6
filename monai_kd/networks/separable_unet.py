# SPDX-License-Identifier: Apache-2.0
"""A thin U-Net of one topology for regular and for depthwise-separable convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from monai.networks.layers import Conv, Pool, get_act_layer, get_norm_layer
from torch import Tensor, nn
from torch.nn import functional

from monai_kd.networks.input_checks import check_arguments, check_image

__all__ = ["SeparableUNet"]


class SeparableUNet(nn.Module):
    """
    Thin U-Net whose 3-wide convolutions are depthwise-separable or, by one argument, regular.

    A regular teacher and a separable student have the same levels, layer names and feature shapes, so that every block
    can be compared without an adapter. A block is convolution, activation, convolution, activation, normalization;
    maximum pooling leads down, nearest-neighbor upsampling up, skips are concatenated. A separable convolution is a
    3-wide one of each channel alone and a 1-wide one across channels, with nothing between them: at C channels
    C + 9 weights per output channel and not 9 C. With the default channels, one image channel and two classes there are
    42,443 parameters in 2D, where the regular network has 287,714 (6.8 times as many), and 60,317 against 859,682 in
    3D (14.3 times). Weights start as in He et al. (arXiv 1502.01852), biases at zero.

    Layers for a pathway, by name: ``"encoder.levels.0"`` … from the highest resolution down, ``"encoder"`` the last of
    them, ``"decoder.levels.0"`` … from the deepest up, ``"decoder"`` the last; each level's ``".convolve"`` is its last
    activation, before the normalization.

    Source: Vaze, Xie and Namburete, "Low-memory CNNs enabling real-time ultrasound segmentation towards mobile
    deployment", IEEE JBHI 2020. Their published network also drops inputs and deepest features out, and their distilled
    student has one more convolution in its second deepest level.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        out_channels: channels of the logits.
        channels: channels of each level; level ``i`` has 1 / 2^i of the image's resolution. Defaults to seven levels
            of 32, as published.
        separable: whether convolutions are depthwise-separable. Defaults to True, the student.
        act: activation, as in MONAI. Defaults to ``"relu"``, as published.
        norm: normalization, as in MONAI. Defaults to ``"batch"``, as published.

    Shapes:
        image (B, in_channels, H, W[, D]) to logits (B, out_channels, H, W[, D]). Any size from 2^len(channels) will do:
        feature sizes are rounded down and come back to the image's own.

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
        self.head = Conv[Conv.CONV, spatial_dims](channels[0], out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """
        Logits at the image's own size.

        Args:
            image: shape (B, in_channels, H, W[, D]).

        Returns:
            Shape (B, out_channels, H, W[, D]).
        """
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
    convolution = Conv[Conv.CONV, spatial_dims]
    # Nothing normalizes between the convolutions: torch's own start would let the biases drown the image.
    if not separable:
        regular: nn.Module = convolution(in_channels, out_channels, kernel_size=3, padding=1)
        return _start(regular, "relu")
    depthwise = convolution(in_channels, in_channels, kernel_size=3, padding=1, groups=in_channels, bias=False)
    pointwise = convolution(in_channels, out_channels, kernel_size=1)
    return nn.Sequential(_start(depthwise, "linear"), _start(pointwise, "relu"))


def _start(layer: Any, nonlinearity: Literal["linear", "relu"]) -> nn.Module:
    nn.init.kaiming_normal_(layer.weight, nonlinearity=nonlinearity)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    started: nn.Module = layer
    return started
