# SPDX-License-Identifier: Apache-2.0
"""The input check that discriminators of predictions share."""

from __future__ import annotations

import torch

__all__ = ["conditioned"]


def conditioned(
    network: str, logits: torch.Tensor, image: torch.Tensor | None, channels: tuple[int, int], smallest: int
) -> list[torch.Tensor]:
    """
    Check logits and image, and list what a discriminator joins along the channels.

    Args:
        network: class name of the discriminator, for messages.
        logits: shape (B, channels[0], H, W[, D]).
        image: shape (B, channels[1], H, W[, D]); ignored where channels[1] is 0.
        channels: of the logits and of the image.
        smallest: pixels that the discriminator needs along each axis.

    Returns:
        The logits, and the image unless channels[1] is 0.
    """
    shape = tuple(logits.shape)
    if logits.ndim not in (4, 5) or shape[1] != channels[0] or min(shape[2:]) < smallest:
        raise ValueError(
            f"{network} got logits of shape {shape}, but needs (B, {channels[0]}, H, W[, D]) of {smallest} pixels or "
            "more along each axis. Set in_channels to the networks' out_channels, or give larger images. For logits of "
            "whole samples, shape (B, C), use LogitsDiscriminator."
        )
    if channels[1] == 0:
        return [logits]
    expected = (shape[0], channels[1], *shape[2:])
    if image is None or tuple(image.shape) != expected:
        got = "no image" if image is None else f"an image of shape {tuple(image.shape)}"
        raise ValueError(
            f"{network} got {got} with logits of shape {shape}, but needs one of shape {expected}. Set image_channels "
            "to the channels of the student's image; 0 leaves the image out."
        )
    return [logits, image.to(logits.dtype)]
