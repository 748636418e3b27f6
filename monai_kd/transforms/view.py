# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch

from monai_kd.transforms.batch_geometry import BatchGeometry
from monai_kd.transforms.batch_intensity import BatchIntensity
from monai_kd.transforms.geometry import compose, identity, warp

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """
    How one network sees a batch: random geometry, then random changes of the gray values, drawn for each sample.

    All geometry is composed first, so that every image is interpolated only once. Without geometry, the image is not
    resampled.

    Args:
        geometry: the transforms that move the image, in order.
        intensity: the transforms that change its gray values, in order.
        padding_mode: values outside the image: "zeros", "border" or "reflection".

    Example:
        >>> from monai_kd.transforms import BatchRandFlip, BatchRandGaussianNoise
        >>> view = View(geometry=[BatchRandFlip(prob=0.5)], intensity=[BatchRandGaussianNoise(prob=0.5)])
        >>> image, generator = torch.rand(4, 1, 16, 16), torch.Generator().manual_seed(0)
        >>> theta = view.draw(4, (16, 16), generator)
        >>> view.disturb(view.move(image, theta), generator).shape
        torch.Size([4, 1, 16, 16])
    """

    geometry: Sequence[BatchGeometry] = ()
    intensity: Sequence[BatchIntensity] = ()
    padding_mode: str = "zeros"

    def draw(self, count: int, spatial_size: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        """
        Draw the geometry of the next batch.

        Args:
            count: number of samples.
            spatial_size: of the images, in pixels.
            generator: source of the random numbers, on the CPU.

        Returns:
            Shape (count, d, d+1), as in :mod:`monai_kd.transforms.geometry`.
        """
        drawn = [transform(count, spatial_size, generator) for transform in self.geometry]
        return reduce(compose, drawn) if drawn else identity(count, len(spatial_size))

    def move(self, tensor: torch.Tensor, theta: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
        """
        Resample images or labels to a geometry that :meth:`draw` gave.

        Args:
            tensor: shape BNH[WD].
            theta: shape (B, d, d+1).
            mode: "bilinear" for images, "nearest" for labels.
        """
        return warp(tensor, theta, mode=mode, padding_mode=self.padding_mode) if self.geometry else tensor

    def disturb(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """
        Change the gray values.

        Args:
            image: shape BNH[WD].
            generator: source of the random numbers, on the image's device.
        """
        return reduce(lambda changed, transform: transform(changed, generator), self.intensity, image)
