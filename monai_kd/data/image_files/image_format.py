# SPDX-License-Identifier: Apache-2.0
"""The description of an image file format by four functions: recognise, header, pixels and write."""

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
"""Values (W, H[, D]) in MONAI's index order, and their affine (4, 4) from pixels to mm in RAS."""
Write = Callable[[Values, Values | Path, Path], None]


@dataclass(frozen=True)
class Header:
    """
    The content of an image file's header.

    Args:
        shape: (W, H) or (W, H, D), without channels; D counts slices or frames. ``formats.read_header`` removes further
            axes of length 1.
        is_loop: whether the last axis is time.
        patient: DICOM's Patient ID, otherwise empty.
        display: settings that viewers apply to the values but reading does not, in words.
        encoding: format and type of the pixels, in words.
        pixel_bytes: bytes of one decoded pixel before it becomes float32; 0 if not more than those.
    """

    shape: tuple[int, ...]
    is_loop: bool = False
    patient: str = ""
    display: str = ""
    encoding: str = ""
    pixel_bytes: int = 0

    @property
    def planes(self) -> int:
        """Number of slices or frames."""
        return math.prod(self.shape[2:])


@dataclass(frozen=True)
class ImageFormat:
    """
    A file format: one object in its own file, with one import line in ``formats``.

    All errors of ``header`` and ``pixels`` become a ValueError that names the file. ``header`` is called first, so
    ``pixels`` only sees files of acceptable size.

    Args:
        name: of the format, for messages.
        suffixes: of its files, in lower case, with the dot.
        header: from a file to its :class:`Header`, without decoding the pixels.
        pixels: from a file, a frame (None for the whole file) and whether it is a mask, to :data:`Pixels`. A color
            becomes gray in an image, and its brightest channel in a mask. For libraries that decode whole files,
            ``volumes.of_whole`` makes this function.
        recognise: whether a file without a known suffix has this format.
        write: takes values (W, H[, D]), their position (an affine, or an image file of this format), and the file to
            write. None if nothing is written in this format or on the grids of its files.
        mask_suffix: of the masks of its images; empty for the image's own suffix.
        is_picture: whether its images have two axes and no position in space. For a picture, ``pixels`` decodes one
            page and checks the page's size itself.
        tells_frames: whether a header may report several frames, a patient, or that there is no image. Such files are
            opened when they are listed.
        axes: the meaning of the axes in a file without a position in space.
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
