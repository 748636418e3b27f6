# SPDX-License-Identifier: Apache-2.0
"""Random changes of a whole batch's gray values, on its device; parameters as in MONAI's transforms of one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from monai_kd.transforms.pixel_dropout import drop_pixels

__all__ = [
    "BatchIntensity",
    "BatchRandGaussianNoise",
    "BatchRandPixelDropout",
    "BatchRandScaleIntensity",
    "BatchRandShiftIntensity",
]


class BatchIntensity(Protocol):
    """
    What :class:`View` calls to change the gray values of a batch; write your own for what is missing here.

    Example:
        >>> def darker(image, generator):  # a function will do
        ...     return image * torch.rand((len(image), *[1] * (image.ndim - 1)), generator=generator)
        >>> darker(torch.ones(2, 1, 8, 8), torch.Generator()).shape
        torch.Size([2, 1, 8, 8])
    """

    def __call__(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """
        Change the gray values.

        Args:
            image: shape BNH[WD]; must not be changed in place.
            generator: source of the random numbers, on the image's device.

        Returns:
            A tensor of the same shape.
        """


@dataclass(frozen=True)
class BatchRandGaussianNoise:
    """
    Random Gaussian noise: MONAI's ``RandGaussianNoise`` for a whole batch.

    Args:
        prob: share of the samples that are changed, 0 to 1.
        std: standard deviation of the noise, in gray values.
        sample_std: draw the standard deviation of each sample uniformly from 0 to ``std``.

    Example:
        >>> noise = BatchRandGaussianNoise(prob=1.0, std=0.5, sample_std=False)
        >>> round(noise(torch.zeros(2, 1, 100, 100), torch.Generator().manual_seed(0)).std().item(), 2)
        0.5
    """

    prob: float = 0.1
    mean: float = 0.0
    std: float = 0.1
    sample_std: bool = True

    def __call__(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Add the noise; see :class:`BatchIntensity`."""
        chosen = _chosen(image, self.prob, generator)
        std = self.std * (_uniform(image, generator) if self.sample_std else 1.0)
        noise = torch.randn(image.shape, generator=generator, dtype=image.dtype, device=image.device)
        noisy = torch.addcmul(image, noise, (std * chosen).to(image.dtype))
        return noisy.add_((self.mean * chosen).to(image.dtype)) if self.mean else noisy


@dataclass(frozen=True)
class BatchRandScaleIntensity:
    """
    Multiply the gray values by 1 + a random number: MONAI's ``RandScaleIntensity`` for a whole batch.

    For images normalized to mean 0, this changes the contrast.

    Args:
        factors: the number is drawn uniformly from ``-factors`` to ``factors`` for each sample.
        prob: share of the samples that are changed, 0 to 1.

    Example:
        >>> scaled = BatchRandScaleIntensity(factors=0.2, prob=1.0)(torch.ones(9, 1, 2, 2), torch.Generator())
        >>> bool((scaled - 1).abs().max() <= 0.2), len(scaled.unique())
        (True, 9)
    """

    factors: float
    prob: float = 0.1

    def __call__(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Scale; see :class:`BatchIntensity`."""
        return image * (1 + _change(image, self.factors, self.prob, generator)).to(image.dtype)


@dataclass(frozen=True)
class BatchRandShiftIntensity:
    """
    Add a random number to the gray values: MONAI's ``RandShiftIntensity`` for a whole batch.

    Args:
        offsets: the number is drawn uniformly from ``-offsets`` to ``offsets`` for each sample.
        prob: share of the samples that are changed, 0 to 1.

    Example:
        >>> shifted = BatchRandShiftIntensity(offsets=0.2, prob=1.0)(torch.ones(9, 1, 2, 2), torch.Generator())
        >>> bool((shifted - 1).abs().max() <= 0.2), len(shifted.unique())
        (True, 9)
    """

    offsets: float
    prob: float = 0.1

    def __call__(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Shift; see :class:`BatchIntensity`."""
        return image + _change(image, self.offsets, self.prob, generator).to(image.dtype)


@dataclass(frozen=True)
class BatchRandPixelDropout:
    """
    Set random pixels to one value, the same in all channels: :class:`RandPixelDropout` for a whole batch.

    Args:
        prob: share of the samples that are changed, 0 to 1.
        dropout_prob: share of the pixels that are set in a changed sample, 0 to 1.
        fill_value: gray value of these pixels.

    Example:
        >>> dropout = BatchRandPixelDropout(prob=1.0, dropout_prob=0.1)
        >>> round(dropout(torch.ones(2, 1, 100, 100), torch.Generator().manual_seed(0)).mean().item(), 1)
        0.9
    """

    prob: float = 0.1
    dropout_prob: float = 0.01
    fill_value: float = 0.0

    def __call__(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Drop pixels; see :class:`BatchIntensity`."""
        return drop_pixels(image, self.dropout_prob * _chosen(image, self.prob, generator), self.fill_value, generator)


def _uniform(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One random number for each sample, shaped to be multiplied with the images."""
    return torch.rand((len(image), *[1] * (image.ndim - 1)), generator=generator, device=image.device)


def _chosen(image: torch.Tensor, prob: float, generator: torch.Generator) -> torch.Tensor:
    return (_uniform(image, generator) < prob).float()


def _change(image: torch.Tensor, limit: float, prob: float, generator: torch.Generator) -> torch.Tensor:
    """One number from ``-limit`` to ``limit`` for each sample, 0 for those that stay as they are."""
    chosen = _chosen(image, prob, generator)
    return limit * (2 * _uniform(image, generator) - 1) * chosen
