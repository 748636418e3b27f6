# SPDX-License-Identifier: Apache-2.0
"""What networks and adapters of this project check and do to their input alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["check_arguments", "check_image", "resized"]


def check_arguments(
    network: str, spatial_dims: int, in_channels: int, out_channels: int, channels: Sequence[int]
) -> None:
    """
    Refuse arguments of which no encoder and decoder can be built.

    Args:
        network: its class's name, for the message.
        spatial_dims: should be 2 or 3.
        in_channels: should be 1 or more.
        out_channels: should be 1 or more.
        channels: should be of at least two levels.

    Raises:
        ValueError: When one of them is not.
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


def check_image(network: str, image: torch.Tensor, spatial_dims: int, in_channels: int, smallest: int) -> None:
    """
    Refuse an image that a network cannot take.

    Args:
        network: its class's name, for the message.
        image: should have shape BNH[WD].
        spatial_dims: of the network.
        in_channels: of the network.
        smallest: number of pixels that its levels need along each axis.

    Raises:
        ValueError: When the image has another shape.
    """
    shape = tuple(image.shape)
    if image.dim() != spatial_dims + 2 or shape[1] != in_channels:
        axes = "B, C, H, W" if spatial_dims == 2 else "B, C, H, W, D"
        raise ValueError(f"{network} got an image of shape {shape}. Give ({axes}) with C = {in_channels}.")
    if min(shape[2:]) < smallest:
        raise ValueError(
            f"{network} got an image of shape {shape}, but its levels need {smallest} pixels along each axis. Give a "
            "larger image, or fewer levels in channels."
        )


def resized(feature: torch.Tensor, size: list[int] | None) -> torch.Tensor:
    """
    A feature at another spatial size, by linear interpolation; TorchScript takes it too.

    Args:
        feature: shape BNH[WD].
        size: wanted; None is the feature's own.

    Returns:
        Shape ``(B, N, *size)``.
    """
    if size is None or list(feature.shape[2:]) == size:
        return feature
    mode = "bilinear" if feature.ndim == 4 else "trilinear"
    return functional.interpolate(feature, size=size, mode=mode, align_corners=False)
