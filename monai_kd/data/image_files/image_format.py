# SPDX-License-Identifier: Apache-2.0
"""The description of an image file format by four functions: recognise, header, pixels and write; and their checks."""

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

__all__ = ["Header", "ImageFormat", "of_whole", "require_frame", "require_plausible"]

MAX_PLANE = 2**26  # pixels of one image, 8192 × 8192
MAX_VALUES = 2**29  # pixels of a volume or a cine loop
SUSPICIOUS = 2**26  # from so many pixels on, the file's size must be plausible
COMPRESSION = 1100  # slightly more than the largest compression ratio of deflate
GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601-2, as Pillow's mode "L"
LOOPS_KEPT = 2  # one loop of images and one of masks
_one_at_a_time = threading.Lock()

Values = npt.NDArray[Any]
Pixels = tuple[Values, Values]
"""Values (W, H[, D]) in MONAI's index order, and their affine (4, 4) from pixels to mm in RAS."""
Decoded = tuple[Values, Values, bool]
"""Values (W, H[, D][, channels]), the affine, and whether there is a channel axis."""
Write = Callable[[Values, Values | Path, Path], None]


class UnsuitableError(ValueError):
    """An intact file that cannot be used; the message continues the file's name and ends with the remedy."""


class NoImageError(ValueError):
    """A file in an image format that holds something else: a report, a presentation state."""


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
        is_mask: whether the file itself says that it is a mask of another image.
    """

    shape: tuple[int, ...]
    is_loop: bool = False
    patient: str = ""
    display: str = ""
    encoding: str = ""
    pixel_bytes: int = 0
    is_mask: bool = False

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
            ``of_whole`` makes this function.
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


def require_plausible(shape: Sequence[int], size: int | None = None) -> None:
    """
    Check that an image fits into memory, and that its file is large enough to hold it.

    Args:
        shape: from the header.
        size: of the file, in bytes. None for a picture, whose pages are decoded one at a time.

    Raises:
        ValueError: With the size in the header, for :func:`naming`.
    """
    by_header = " × ".join(str(length) for length in shape) + " pixels"
    if min(shape) < 1:
        raise ValueError(f"its header says {by_header}")
    if math.prod(shape[:2]) > MAX_PLANE or (math.prod(shape) > MAX_VALUES and size is not None):
        raise UnsuitableError(
            f"has {by_header} according to its header; an image may have {MAX_PLANE:,}, a volume or a loop "
            f"{MAX_VALUES:,}. If it is not damaged, export it smaller or in parts."
        )
    if size is not None and math.prod(shape) > max(SUSPICIOUS, COMPRESSION * size):
        raise ValueError(f"its header says {by_header}, but the file has only {size} bytes")


def require_frame(frame: int, frames: int) -> None:
    """Refuse a frame that a file does not have."""
    if not 0 <= frame < frames:
        raise UnsuitableError(f"has the frames 0 to {frames - 1}, but frame {frame} was requested. List it again.")


def of_whole(decode: Callable[[Path], Decoded]) -> Callable[[Path, int | None, bool], Pixels]:
    """
    Make the function ``pixels`` of a format from one that decodes a whole file; a loop is decoded once for all its
    frames.
    """

    def pixels(path: Path, frame: int | None, is_mask: bool) -> Pixels:
        if frame is None:
            values, affine, has_channels = decode(path)
        else:
            status = path.stat()
            with _one_at_a_time:  # otherwise every thread would decode the loop
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
    """Gray values of RGB (..., 3) or RGBA (..., 4); alpha is composited on black."""
    if values.shape[-1] not in (3, 4):
        raise UnsuitableError(f"has {values.shape[-1]} channels. Export it as gray, RGB or RGBA.")
    mixed: Values = values[..., :3] @ GRAY_WEIGHTS
    is_integer = values.dtype.kind in "iu"
    if values.shape[-1] == 4:
        mixed = mixed * (values[..., 3] / (np.iinfo(values.dtype).max if is_integer else 1.0))
    return np.rint(mixed) if is_integer else mixed
