# SPDX-License-Identifier: Apache-2.0
"""Checks and resizing that networks and adapters share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["check_arguments", "check_image", "resized"]


def check_arguments(
    network: str, spatial_dims: int, in_channels: int, out_channels: int, channels: Sequence[int]
) -> None:
    """
    Refuse anything but 2 or 3 spatial axes, one channel or more, and two levels or more.

    Args:
        network: its class name, for the message.
    """
    if spatial_dims not in (2, 3):
        raise ValueError(f"{network} got spatial_dims={spatial_dims!r}. Give 2 or 3.")
    for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
        if value < 1:
            raise ValueError(f"{network} got {name}={value!r}. Give 1 or more.")
    numbers = not isinstance(channels, str) and all(isinstance(count, int) for count in channels)
    if not numbers or len(channels) < 2 or min(channels) < 1:
        raise ValueError(
            f"{network} got channels={channels!r}. Give one positive number for each of at least two levels."
        )


def check_image(
    network: str, image: torch.Tensor, spatial_dims: int, in_channels: int, smallest: int | Sequence[int]
) -> None:
    """
    Refuse an image of another shape than (B, in_channels, H, W[, D]), or one too small for the network's levels.

    Args:
        network: its class name, for the message.
        smallest: pixels that its levels need along every axis, or along each.
    """
    shape = tuple(image.shape)
    if image.dim() != spatial_dims + 2 or shape[1] != in_channels:
        axes = "B, C, H, W" if spatial_dims == 2 else "B, C, H, W, D"
        raise ValueError(f"{network} got an image of shape {shape}. Give ({axes}) with C = {in_channels}.")
    needed = (smallest,) * spatial_dims if isinstance(smallest, int) else tuple(smallest)
    if any(size < least for size, least in zip(shape[2:], needed, strict=True)):
        along = f"{needed[0]} pixels along each axis" if len(set(needed)) == 1 else f"{needed} pixels"
        raise ValueError(
            f"{network} got an image of shape {shape}, but its levels need {along}. Give a larger image, or fewer "
            "levels in channels."
        )


def resized(feature: torch.Tensor, size: list[int] | None) -> torch.Tensor:
    """Resize a feature BNH[WD] linearly to ``size``, or leave it if that is None; TorchScript can compile it."""
    if size is None or list(feature.shape[2:]) == size:
        return feature
    mode = "bilinear" if feature.ndim == 4 else "trilinear"
    return functional.interpolate(feature, size=size, mode=mode, align_corners=False)
