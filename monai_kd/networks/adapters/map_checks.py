# SPDX-License-Identifier: Apache-2.0
"""Whether a feature is a map with its channels in MONAI's place, or what transformers have inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["check_map", "has_channels_last"]


def check_map(feature: torch.Tensor, image: Any, adapter: nn.Module, side: str, layer: str) -> None:
    """
    Refuse tokens and maps with channels last, whose axes a loss or an adapter would take for others.

    Args:
        feature: what the layer gave, before its adapter.
        image: that the network saw, shape BNH[WD]; anything else is not compared.
        adapter: what follows; one with ``rearranges = True`` is for such features.
        side: "student" or "teacher", for the message.
        layer: its name, for the message.

    Raises:
        ValueError: When the feature is no map of shape BNH[WD].
    """
    if not isinstance(image, torch.Tensor) or image.ndim < 4 or getattr(adapter, "rearranges", False):
        return
    where = f"layer '{layer}'" if layer else "output"
    found = f"The {side}'s {where} gives {tuple(feature.shape)} for an image of {tuple(image.shape)}: "
    if feature.ndim == 3:
        raise ValueError(
            f"{found}tokens, not a map. Give {side}_adapter=TokensToMap(grid=…) of monai_kd.networks, with the number "
            f"of patches along each axis, or name a {side}_layer that gives a map."
        )
    if has_channels_last(feature.shape, image.shape):
        raise ValueError(
            f"{found}its channels are last. Give {side}_adapter=ChannelsFirst() of monai_kd.networks, or, for an "
            "adapter of your own that moves them, set its attribute rearranges = True."
        )


def has_channels_last(feature: Sequence[int], image: Sequence[int]) -> bool:
    """
    Whether the axes before a feature's last one are the image's at one stride, and those after its second are not.

    Args:
        feature: its shape.
        image: shape BNH[WD] of the image that the network saw.

    Example:
        >>> has_channels_last((2, 7, 7, 768), (2, 1, 224, 224)), has_channels_last((2, 768, 7, 7), (2, 1, 224, 224))
        (True, False)
    """
    if len(feature) != len(image):
        return False
    return _fits(feature[1:-1], image[2:]) and not _fits(feature[2:], image[2:])


def _fits(sizes: Sequence[int], axes: Sequence[int]) -> bool:
    """Whether one stride makes these sizes of the image's axes, one position more or less."""
    largest = min(axis / max(size - 1, 0.5) for size, axis in zip(sizes, axes, strict=True))
    return largest >= max(axis / (size + 1) for size, axis in zip(sizes, axes, strict=True))
