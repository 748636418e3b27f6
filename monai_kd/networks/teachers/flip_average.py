# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["FlipAverage"]


class FlipAverage(nn.Module):
    r"""
    Average of a network's predictions for an image and its flips (test-time augmentation): a better teacher, untrained.

    .. math:: z = \log \big\langle \mathrm{softmax}(f^{-1}(z(f(x)))) \big\rangle_f

    The softmax of the result is the mean of the probabilities. The layers inside run once for each flip, so a pathway
    can compare the output only.

    Args:
        network: returns logits of the image's size, or of shape (B, classes), for two or more classes.
        spatial_axes: axes to flip, one at a time, besides the image itself. Axis 0 is the first after the channels,
            which is left to right in MONAI's order. Defaults to ``(0,)``, because ultrasound images are not flipped in
            depth.

    Raises:
        ValueError: When there is no axis; at the call, when the network returns several tensors, another size or one
            channel, or when the image does not have the axis.

    Example:
        >>> network, image = FlipAverage(torch.nn.Conv2d(1, 2, 3, padding=1)), torch.rand(1, 1, 4, 6)
        >>> torch.allclose(network(image.flip(2)).softmax(1), network(image).flip(2).softmax(1))
        True
    """

    def __init__(self, network: nn.Module, spatial_axes: Sequence[int] = (0,)) -> None:
        super().__init__()
        if not spatial_axes or len(set(spatial_axes)) < len(spatial_axes) or min(spatial_axes) < 0:
            raise ValueError(f"spatial_axes={spatial_axes!r}, expected different axes, counted from 0, such as (0,).")
        self.network = network
        self.spatial_axes = tuple(spatial_axes)

    def extra_repr(self) -> str:
        return f"spatial_axes={self.spatial_axes}"

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the network's shape, for an image of shape BNH[WD]."""
        if max(self.spatial_axes) > image.ndim - 3:
            raise ValueError(
                f"FlipAverage(spatial_axes={self.spatial_axes}) got an image of shape {tuple(image.shape)}, with "
                f"{image.ndim - 2} spatial axes. Use axes from 0 to {image.ndim - 3}."
            )
        logits = [self._answer(image)]
        for axis in self.spatial_axes:
            mirrored = self._answer(image.flip(axis + 2))
            logits.append(mirrored if mirrored.ndim == 2 else mirrored.flip(axis + 2))  # class logits have no axis
        averaged: torch.Tensor = torch.stack(logits).log_softmax(dim=2).logsumexp(dim=0) - math.log(len(logits))
        return averaged

    def _answer(self, image: torch.Tensor) -> torch.Tensor:
        answer = self.network(image)
        if not isinstance(answer, torch.Tensor):
            raise ValueError(
                f"FlipAverage's network returned a {type(answer).__name__}, not one tensor. Switch off its other "
                "outputs (deep supervision), or wrap it."
            )
        if answer.shape[2:] not in (image.shape[2:], ()) or answer.shape[1] < 2:
            raise ValueError(
                f"FlipAverage's network gives {tuple(answer.shape)} for an image of shape {tuple(image.shape)}. Give a "
                "network whose logits have two or more channels, and the image's size or no spatial axes."
            )
        return answer
