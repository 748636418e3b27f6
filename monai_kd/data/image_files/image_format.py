# SPDX-License-Identifier: Apache-2.0
"""What a format of image files is: the same four verbs for each, recognise, header, pixels and write."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

__all__ = ["Header", "ImageFormat"]

Values = npt.NDArray[Any]
Pixels = tuple[Values, Values]
"""Values (W, H[, D]) in MONAI's index order, and their affine (4, 4) from pixels to millimeters in RAS."""
Write = Callable[[Values, Values | Path, Path], None]


@dataclass(frozen=True)
class Header:
    """
    What an image file's header says.

    Args:
        shape: (W, H) or (W, H, D), without channels; D counts slices or frames. ``formats.read_header`` leaves out what
            further axes of length 1 a format gives.
        is_loop: whether the last axis is time.
        patient: DICOM's Patient ID, else empty.
        display: what viewers apply to the values and reading does not, in words.
        encoding: format and type of the pixels, in words.
        pixel_bytes: of one pixel, as it is decoded before it becomes float32; 0 where that is no more.
    """

    shape: tuple[int, ...]
    is_loop: bool = False
    patient: str = ""
    display: str = ""
    encoding: str = ""
    pixel_bytes: int = 0

    @property
    def planes(self) -> int:
        """How many slices or frames."""
        return math.prod(self.shape[2:])


@dataclass(frozen=True)
class ImageFormat:
    """
    A format: an object in a file of its own, which has an import line in ``formats``.

    Whatever ``header`` and ``pixels`` raise becomes a ValueError that names the file. ``header`` comes first, so that
    ``pixels`` is called only for files of sizes that are read.

    Args:
        name: of the format, for people.
        suffixes: of its files, in lower case, with the dot.
        header: from a file to its :class:`Header`, without decoding its pixels.
        pixels: from a file, a frame (None for the whole file), and whether it is a mask, to :data:`Pixels`. A color
            becomes gray in an image, and its brightest channel in a mask. ``volumes.of_whole`` makes it for a library
            that decodes whole files.
        recognise: whether a file of no known suffix is of this format.
        write: takes values (W, H[, D]), where they lie (an affine, or the file of an image of this format), and the
            file to be written. None where nothing is written in this format or on the grid of its files.
        mask_suffix: of the masks of its images; empty for the image's own suffix.
        is_picture: whether its images have two axes, and no place in space. Of a picture ``pixels`` decodes one page at
            a time, and checks that page's size itself.
        tells_frames: whether a header may tell of several frames, of a patient, or that there is no image. Such a file
            is opened when it is listed.
        axes: what the axes of a file mean that says nothing of its place in space.
    """

    name: str
    suffixes: tuple[str, ...]
    header: Callable[[Path], Header]
    pixels: Callable[[Path, int | None, bool], Pixels]
    recognise: Callable[[Path], bool] = lambda path: False
    write: Write | None = None
    mask_suffix: str = ".nrrd"
    is_picture: bool = False
    tells_frames: bool = False
    axes: str = "LPS"
