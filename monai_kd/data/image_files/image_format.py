# SPDX-License-Identifier: Apache-2.0
"""What a format of image files is: four verbs, recognise, header, pixels and write, and what these refuse."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Header",
    "ImageFormat",
    "NoImageError",
    "UnsuitableError",
    "of_whole",
    "require_frame",
    "require_plausible",
]

MAX_PLANE = 2**26  # pixels of one image, 8192 × 8192
MAX_VALUES = 2**29  # pixels of a volume or a cine loop
SUSPICIOUS = 2**26  # pixels from which a file must be large enough to hold them
COMPRESSION = 1100  # bytes that deflate can make of one at most, and a little more
GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601-2, as Pillow's mode "L"
LOOPS_KEPT = 2  # one of images and one of masks
_one_at_a_time = threading.Lock()

Values = npt.NDArray[Any]
Pixels = tuple[Values, Values]
"""Values (W, H[, D]) in MONAI's index order, and their affine (4, 4) from pixels to millimeters in RAS."""
Decoded = tuple[Values, Values, bool]
"""Values (W, H[, D][, channels]), the affine, and whether there is an axis of channels."""
Write = Callable[[Values, Values | Path, Path], None]


class UnsuitableError(ValueError):
    """An intact file that cannot be used; the message goes on from the file's name and says the remedy."""


class NoImageError(ValueError):
    """A file of a format of images that is something else than an image: a report, a presentation state."""


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
    A format: an object in a file of its own, which has a line in ``formats.FORMATS``.

    Whatever ``header`` and ``pixels`` raise becomes a ValueError that names the file. ``header`` comes first, so that
    ``pixels`` is called only for files of sizes that are read.

    Args:
        name: of the format, for people.
        suffixes: of its files, in lower case, with the dot.
        header: from a file to its :class:`Header`, without decoding its pixels.
        pixels: from a file, a frame (None for the whole file), and whether it is a mask, to :data:`Pixels`. A color
            becomes gray in an image, and its brightest channel in a mask. ``of_whole`` makes it for a library
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


def require_plausible(shape: Sequence[int], size: int | None = None) -> None:
    """
    Check that an image fits into memory, and that its file can hold it.

    Args:
        shape: by the header.
        size: of the file, in bytes. None for a picture: of its pages, whatever their number, one is decoded at a time.

    Raises:
        ValueError: Naming the size that the header tells of, for :func:`naming`.
    """
    by_header = " × ".join(str(length) for length in shape) + " pixels"
    if min(shape) < 1:
        raise ValueError(f"its header tells of {by_header}")
    if math.prod(shape[:2]) > MAX_PLANE or (math.prod(shape) > MAX_VALUES and size is not None):
        raise UnsuitableError(
            f"is {by_header} by its header; an image may have {MAX_PLANE:,}, a volume or a loop {MAX_VALUES:,}. "
            "If it is not damaged, export it smaller or in parts."
        )
    if size is not None and math.prod(shape) > max(SUSPICIOUS, COMPRESSION * size):
        raise ValueError(f"its header tells of {by_header}, but the file has {size} bytes")


def require_frame(frame: int, frames: int) -> None:
    """Refuse a frame that a file does not have."""
    if not 0 <= frame < frames:
        raise UnsuitableError(f"has the frames 0 to {frames - 1}, but frame {frame} was asked for. List it again.")


def of_whole(decode: Callable[[Path], Decoded]) -> Callable[[Path, int | None, bool], Pixels]:
    """
    The verb ``pixels`` of a format, which decodes a loop once for all its frames.

    Args:
        decode: a whole file.
    """

    def pixels(path: Path, frame: int | None, is_mask: bool) -> Pixels:
        if frame is None:
            values, affine, has_channels = decode(path)
        else:
            status = path.stat()
            with _one_at_a_time:  # or every thread would decode the loop for itself
                values, affine, has_channels = _kept(decode, path, status.st_mtime_ns, status.st_size)
            is_flat = values.ndim - has_channels == 2
            require_frame(frame, 1 if is_flat else values.shape[2])
            values = values if is_flat else values[:, :, frame]
        if has_channels:
            values = values[..., :3].max(axis=-1) if is_mask else _gray(values)
        return values, affine

    return pixels


@lru_cache(maxsize=LOOPS_KEPT)
def _kept(decode: Callable[[Path], Decoded], path: Path, _modified: int, _size: int) -> Decoded:
    return decode(path)


def _gray(values: Values) -> Values:
    """Gray of (..., 3) RGB or (..., 4) RGBA values; alpha is composited on black."""
    if values.shape[-1] not in (3, 4):
        raise UnsuitableError(f"has {values.shape[-1]} channels. Export it as gray, RGB or RGBA.")
    mixed: Values = values[..., :3] @ GRAY_WEIGHTS
    is_integer = values.dtype.kind in "iu"
    if values.shape[-1] == 4:
        mixed = mixed * (values[..., 3] / (np.iinfo(values.dtype).max if is_integer else 1.0))
    return np.rint(mixed) if is_integer else mixed
