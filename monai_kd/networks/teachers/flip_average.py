# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["FlipAverage"]


class FlipAverage(nn.Module):
    r"""
    A network that answers for an image and its mirror images together: a steadier teacher, without another training.

    .. math:: z = \log \big\langle \mathrm{softmax}(f^{-1}(z(f(x)))) \big\rangle_f

    The softmax of the result is the mean of the probabilities. The layers inside run once for each mirror image, so a
    pathway compares the output alone.

    Args:
        network: from an image to logits of the same size, or of the image as a whole, with two or more classes.
        spatial_axes: the mirror images besides the image itself: each axis alone. Axis 0 is the first after the
            channels, which in MONAI's order is left to right. Defaults to ``(0,)``; an ultrasound image is not
            mirrored in depth.

    Raises:
        ValueError: When there is no axis; at the call, when the network returns several tensors, another size, or one
            channel, or the image has no such axis.

    Example:
        >>> network, image = FlipAverage(torch.nn.Conv2d(1, 2, 3, padding=1)), torch.rand(1, 1, 4, 6)
        >>> torch.allclose(network(image.flip(2)).softmax(1), network(image).flip(2).softmax(1))
        True
    """

    def __init__(self, network: nn.Module, spatial_axes: Sequence[int] = (0,)) -> None:
        super().__init__()
        if not spatial_axes or len(set(spatial_axes)) < len(spatial_axes) or min(spatial_axes) < 0:
            raise ValueError(f"spatial_axes={spatial_axes!r}, expected different axes from 0, such as (0,).")
        self.network = network
        self.spatial_axes = tuple(spatial_axes)

    def extra_repr(self) -> str:
        return f"spatial_axes={self.spatial_axes}"

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """
        Args:
            image: shape BNH[WD].

        Returns:
            Logits, which are the logarithm of probabilities, of the network's shape.
        """
        if max(self.spatial_axes) > image.ndim - 3:
            raise ValueError(
                f"FlipAverage(spatial_axes={self.spatial_axes}) got an image of shape {tuple(image.shape)}, with "
                f"{image.ndim - 2} spatial axes, 0 to {image.ndim - 3}."
            )
        logits = [self._answer(image)]
        for axis in self.spatial_axes:
            mirrored = self._answer(image.flip(axis + 2))
            logits.append(mirrored if mirrored.ndim == 2 else mirrored.flip(axis + 2))  # a class has no mirror image
        averaged: torch.Tensor = torch.stack(logits).log_softmax(dim=2).logsumexp(dim=0) - math.log(len(logits))
        return averaged

    def _answer(self, image: torch.Tensor) -> torch.Tensor:
        answer = self.network(image)
        if not isinstance(answer, torch.Tensor):
            raise ValueError(
                f"FlipAverage's network returned a {type(answer).__name__}, not one tensor. Switch off its further "
                "outputs (deep supervision), or wrap it."
            )
        if answer.shape[2:] not in (image.shape[2:], ()) or answer.shape[1] < 2:
            raise ValueError(
                f"FlipAverage's network gives {tuple(answer.shape)} for an image of shape {tuple(image.shape)}. Give a "
                "network whose logits have the image's size, or none, and a channel for each class, two or more."
            )
        return answer
