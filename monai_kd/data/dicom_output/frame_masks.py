# SPDX-License-Identifier: Apache-2.0
"""The masks of an image's frames, kept small until they are written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FrameMasks"]

Values = npt.NDArray[Any]


@dataclass
class FrameMasks:
    r"""
    The masks of frames, each class compressed: a loop of minutes takes little memory.

    Args:
        rows: height in pixels.
        columns: width in pixels.
        classes: number of classes beside the background.

    Example:
        >>> masks = FrameMasks(rows=1, columns=3, classes=2)
        >>> masks.add(0, np.array([[0], [1], [2]]))
        >>> [plane.tolist() for plane in masks.planes()], masks.pixels()
        ([[0, 1, 0], [0, 0, 1]], b'"\x00')
    """

    rows: int
    columns: int
    classes: int
    bits: dict[int, list[bytes]] = field(default_factory=dict)

    def add(self, frame: int, mask: Values) -> None:
        """
        Keep the mask of a frame.

        Args:
            frame: its number, from 0.
            mask: whole numbers in MONAI's index order (W, H), 0 for the background.

        Raises:
            ValueError: When the mask has another size, or a class that is not described.
        """
        if mask.shape != (self.columns, self.rows):
            raise ValueError(
                f"The mask has the shape {mask.shape}, but its image is {self.columns} × {self.rows} pixels. Restore "
                "the size of the image, for example by Invertd."
            )
        unknown = [int(value) for value in np.unique(mask) if not 0 <= value <= self.classes]
        if unknown:
            described = "1 class is" if self.classes == 1 else f"{self.classes} classes are"
            raise ValueError(
                f"The mask holds the class {unknown[0]}, but {described} described. Describe each class of the network "
                "in segments."
            )
        planes = (np.packbits(number == mask.T) for number in range(1, self.classes + 1))
        self.bits[frame] = [zlib.compress(plane.tobytes(), level=1) for plane in planes]

    def planes(self) -> Iterator[Values]:
        """The pixels of each class and frame, class by class, as 0 and 1 row by row."""
        for number in range(self.classes):
            for frame in sorted(self.bits):
                packed = np.frombuffer(zlib.decompress(self.bits[frame][number]), dtype=np.uint8)
                yield np.unpackbits(packed, count=self.rows * self.columns)

    def pixels(self) -> bytes:
        """All planes without gaps, as DICOM stores bits: the first pixel is the lowest bit (PS3.5 8.1.1)."""
        planes = self.planes()
        parts = []
        while eight := list(islice(planes, 8)):  # eight planes always fill whole bytes
            parts.append(np.packbits(np.concatenate(eight), bitorder="little").tobytes())
        found = b"".join(parts)
        return found + bytes(len(found) % 2)
