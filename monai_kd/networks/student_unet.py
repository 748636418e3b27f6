# SPDX-License-Identifier: Apache-2.0
"""A small segmentation U-Net for one CPU thread."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch
from monai.networks.layers import get_act_layer, get_norm_layer
from torch import Tensor, nn
from torch.nn import functional

from monai_kd.networks.fast_volumes import convolution, is_eager, resize_volume
from monai_kd.networks.input_checks import check_arguments, check_image

__all__ = ["StudentUNet"]

Stride = tuple[int, ...]


class StudentUNet(nn.Module):
    """
    Small residual U-Net with a high Dice for its time on one CPU thread.

    The first convolution halves the resolution, and only the logits return to the full one. Each level has one residual
    3-wide convolution. Skips are added, not concatenated. ``docs/networks.md`` has the measurements.

    Layers for a pathway: ``"encoder.levels.0"`` … from the highest resolution down, ``"encoder"`` for the deepest
    feature; ``"decoder.levels.0"`` … from the deepest up, ``"decoder"`` for the feature before the head.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        out_channels: channels of the logits.
        channels: channels of each encoder level. Defaults to five levels, 16 to 128 wide.
        strides: of each encoder level, a number or one for each axis, 1 or 2. Thin volumes need 1 along their thin axis
            on some levels; ``plan_strides`` chooses. Defaults to None: 2 everywhere, so that
            level ``i`` has 1 / 2^(i+1) of the image's resolution.
        act: activation, in MONAI's notation. Defaults to ``"relu"``.
        norm: normalization, in MONAI's notation. Defaults to ``"instance"``, here with a learned scale and shift.

    Shapes:
        image (B, in_channels, H, W[, D]) to logits (B, out_channels, H, W[, D]). Any size above the product of an
        axis's strides is allowed: feature sizes are rounded up, and the logits have the image's size.

    Raises:
        ValueError: When an argument is out of range; at the call, when an image has other channels or is too small for
            the number of levels.

    Example:
        >>> network = StudentUNet(spatial_dims=2, in_channels=1, out_channels=2)
        >>> network(torch.zeros(1, 1, 65, 48)).shape
        torch.Size([1, 2, 65, 48])
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int] = (16, 32, 48, 80, 128),
        act: str | tuple[str, dict[str, Any]] = "relu",
        norm: str | tuple[str, dict[str, Any]] = "instance",
        strides: Sequence[int | Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        check_arguments("StudentUNet", spatial_dims, in_channels, out_channels, channels)
        steps = _strides(strides, spatial_dims, len(channels))
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.smallest = tuple(total + 1 if total > 1 else 1 for total in map(prod, zip(*steps, strict=True)))
        self.encoder = _Encoder(spatial_dims, in_channels, channels, steps, act, norm)
        self.decoder = _Decoder(spatial_dims, channels, act, norm)
        self.head = convolution(spatial_dims)(channels[0], out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits, shape (B, out_channels, H, W[, D]), of an image (B, in_channels, H, W[, D])."""
        if not torch.jit.is_scripting() and not torch.jit.is_tracing():  # type: ignore[no-untyped-call]
            check_image("StudentUNet", image, self.spatial_dims, self.in_channels, self.smallest)
        skips: list[Tensor] = []
        x = self.encoder(image, skips)
        x = self.head(self.decoder(x, skips))
        return _resize(x, image)


class _Encoder(nn.Module):
    """Levels of halving resolution; returns the deepest feature and appends those above it to ``skips``."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        channels: Sequence[int],
        strides: Sequence[Stride],
        act: Any,
        norm: Any,
    ) -> None:
        super().__init__()
        levels: list[nn.Module] = [_ConvNormAct(spatial_dims, in_channels, channels[0], strides[0], act, norm)]
        for (wide, narrow), stride in zip(pairwise(channels), strides[1:], strict=True):
            levels.append(_Down(spatial_dims, wide, narrow, stride, act, norm))
        self.levels = nn.ModuleList(levels)

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for level in self.levels:
            x = level(x)
            skips.append(x)
        skips.pop()
        return x


class _Decoder(nn.Module):
    """Levels of doubling resolution; takes the skips from the last to the first."""

    def __init__(self, spatial_dims: int, channels: Sequence[int], act: Any, norm: Any) -> None:
        super().__init__()
        deepest_first = channels[::-1]
        self.levels = nn.ModuleList(_Up(spatial_dims, deep, out, act, norm) for deep, out in pairwise(deepest_first))

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for level in self.levels:
            x = level(x, skips.pop())
        return x


class _Down(nn.Module):
    """Halves the resolution, with odd sizes rounded up, then applies a residual convolution."""

    def __init__(
        self, spatial_dims: int, in_channels: int, out_channels: int, stride: Stride, act: Any, norm: Any
    ) -> None:
        super().__init__()
        self.halve = _ConvNormAct(spatial_dims, in_channels, out_channels, stride, act, norm)
        self.refine = _ConvNormAct(spatial_dims, out_channels, out_channels, 1, act, norm)

    def forward(self, x: Tensor) -> Tensor:
        x = self.halve(x)
        return x + self.refine(x)


class _Up(nn.Module):
    """Brings a feature to the channels and size of the skip, adds the two, then applies a residual convolution."""

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int, act: Any, norm: Any) -> None:
        super().__init__()
        self.reduce = convolution(spatial_dims)(in_channels, out_channels, kernel_size=1, bias=False)
        self.refine = _ConvNormAct(spatial_dims, out_channels, out_channels, 1, act, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = _resize(self.reduce(x), skip) + skip
        return x + self.refine(x)


class _ConvNormAct(nn.Module):
    def __init__(
        self, spatial_dims: int, in_channels: int, out_channels: int, stride: int | Stride, act: Any, norm: Any
    ) -> None:
        super().__init__()
        self.conv = convolution(spatial_dims)(
            in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.norm = _norm(norm, spatial_dims, out_channels)
        self.act = get_act_layer(act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


def _strides(strides: Sequence[int | Sequence[int]] | None, spatial_dims: int, levels: int) -> list[Stride]:
    steps = [(step,) * spatial_dims if isinstance(step, int) else tuple(step) for step in strides or [2] * levels]
    if len(steps) != levels or any(len(step) != spatial_dims or not {1, 2}.issuperset(step) for step in steps):
        raise ValueError(
            f"StudentUNet got strides={strides!r}. Give one entry for each of its {levels} levels: 1 or 2, or "
            f"{spatial_dims} of them."
        )
    return steps


def _norm(norm: str | tuple[str, dict[str, Any]], spatial_dims: int, channels: int) -> nn.Module:
    # Instance norm is group norm with one group per channel, and torch's group norm is faster on CPU.
    if isinstance(norm, str) and norm.lower() == "instance":
        return nn.GroupNorm(channels, channels)
    layer: nn.Module = get_norm_layer(norm, spatial_dims, channels)
    return layer


def _resize(x: Tensor, like: Tensor) -> Tensor:
    if not torch.jit.is_scripting():
        is_volume = x.dim() == 5 and is_eager()
        if is_volume:
            return resize_volume(x, like.shape[2:])
    mode = "bilinear" if x.dim() == 4 else "trilinear"
    return functional.interpolate(x, size=like.shape[2:], mode=mode, align_corners=False)
