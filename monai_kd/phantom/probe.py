# SPDX-License-Identifier: Apache-2.0
"""Where a probe's scan lines lie, and how they become a picture: linear and curved arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_kd.phantom.tissue import PITCH, Field, grid

Size = tuple[int, int]


class Probe(Protocol):
    """A probe's geometry and picture. Samples (H, W): row 0 is at the skin, and each column is a scan line."""

    @property
    def depth(self) -> float:
        """Length of a scan line, mm."""

    @property
    def shape(self) -> Size:
        """Samples of a scan line, and number of scan lines."""

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width of the picture, mm."""

    def spread(self, depth: Field | float) -> Field | float:
        """Distance of neighboring scan lines at a depth in mm, relative to ``PITCH``."""

    def around(self, center: tuple[float, float]) -> tuple[Field, Field]:
        """
        Position of every sample in mm, along the scan line through ``center`` and perpendicular to it.

        Args:
            center: depth, and position across the samples, in samples times ``PITCH``.
        """

    def image(self, gray: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
        """Picture of ``size`` (H, W) from gray values on the scan lines; black outside the scan lines."""

    def mask(self, distance: Field, size: Size) -> NDArray[np.bool_]:
        """Where a signed distance on the scan lines is positive, in a picture of ``size`` (H, W)."""


@dataclass(frozen=True)
class LinearProbe:
    """
    Parallel scan lines: the samples are the picture's pixels at another resolution.

    Args:
        depth: length of the scan lines, mm.
        width: of the row of scan lines, mm.
    """

    depth: float
    width: float

    @property
    def shape(self) -> Size:
        return round(self.depth / PITCH), round(self.width / PITCH)

    @property
    def extent(self) -> tuple[float, float]:
        return self.depth, self.width

    def spread(self, depth: Field | float) -> Field | float:
        return 1.0

    def around(self, center: tuple[float, float]) -> tuple[Field, Field]:
        depth, across = grid(self.shape)
        return depth - center[0], across - center[1]

    def image(self, gray: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(gray).resize(size[::-1], Image.Resampling.BICUBIC))

    def mask(self, distance: Field, size: Size) -> NDArray[np.bool_]:
        picture = Image.fromarray(distance).resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(picture) > 0


@dataclass(frozen=True)
class CurvedProbe:
    """
    Scan lines that diverge from an arc, shown as a sector on black.

    Sample (row, line) is at ``r = radius + row · PITCH`` and ``θ = (line - lines / 2) · PITCH / (radius + depth / 2)``
    from the center of the arc, so lines are ``PITCH`` apart at half the depth. Positions are mm, so a lesion has the
    same area in mm² as under a linear probe.

    Args:
        depth: length of the scan lines, mm.
        radius: of the probe's face, mm.
        angle: between the middle and the outermost scan line, radians.
    """

    depth: float
    radius: float
    angle: float

    @property
    def shape(self) -> Size:
        return round(self.depth / PITCH), round(2 * self.angle * self._middle / PITCH)

    @property
    def extent(self) -> tuple[float, float]:
        end = self.radius + self.depth
        return end - self.radius * math.cos(self.angle), 2 * end * math.sin(self.angle)

    @property
    def _middle(self) -> float:
        return self.radius + self.depth / 2

    def spread(self, depth: Field | float) -> Field | float:
        return (self.radius + depth) / self._middle

    def around(self, center: tuple[float, float]) -> tuple[Field, Field]:
        depth, across = grid(self.shape)
        turn = (across - center[1]) / self._middle
        return (self.radius + depth) * np.cos(turn) - (self.radius + center[0]), (self.radius + depth) * np.sin(turn)

    def image(self, gray: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
        return np.round(self._sector(gray, size, outside=0)).astype(np.uint8)

    def mask(self, distance: Field, size: Size) -> NDArray[np.bool_]:
        return self._sector(distance, size, outside=-1) > 0

    def _sector(self, samples: NDArray, size: Size, outside: float) -> Field:
        """Scan conversion: every pixel is interpolated between the four samples around it."""
        height, width = self.extent
        down = (np.arange(size[0], dtype=np.float32)[:, None] + 0.5) * (height / size[0])
        down += self.radius * math.cos(self.angle)
        aside = (np.arange(size[1], dtype=np.float32) + 0.5) * (width / size[1]) - width / 2
        depth, turn = np.hypot(down, aside) - self.radius, np.arctan2(aside, down)
        row = depth * (samples.shape[0] / self.depth) - 0.5
        line = (turn / self.angle + 1) * (samples.shape[1] / 2) - 0.5
        picture = ndimage.map_coordinates(samples, [row, line], np.float32, order=1, mode="nearest")
        picture[(depth < 0) | (depth > self.depth) | (np.abs(turn) > self.angle)] = outside
        return picture
