# SPDX-License-Identifier: Apache-2.0
"""Pixel values and affine of a file, or of one frame in it, through MONAI's readers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.data import ITKReader, NibabelReader
from monai.data.utils import is_no_channel
from PIL import Image

from monai_kd.data.image_files.colors import brightest, brightest_picture, gray, gray_picture
from monai_kd.data.image_files.dicom.display import as_shown
from monai_kd.data.image_files.dicom.header import read_dicom_header
from monai_kd.data.image_files.dicom.streams import agreeing
from monai_kd.data.image_files.file_errors import UnsuitableError, naming
from monai_kd.data.image_files.formats import DICOM_SUFFIXES, NIFTI_SUFFIXES, RASTER_SUFFIXES, format_of, suffix_of
from monai_kd.data.image_files.header import pages_of, read_header, require_plausible, require_readable
from monai_kd.data.image_files.itk_files import itk_image
from monai_kd.data.image_files.pictures import open_picture, shown_values

Values = npt.NDArray[Any]
Decoded = tuple[Values, Values, bool]
"""Values (W, H[, D][, channels]), the affine, and whether there is an axis of channels."""

LOOPS_KEPT = 2  # one of images and one of masks
_one_at_a_time = threading.Lock()


def image_values(path: str | Path, frame: int | None = None) -> tuple[Values, Values]:
    """Gray values in MONAI's index order, and the affine; see ``images.read_image``."""
    return _values(path, frame, gray_picture, gray)


def mask_values(path: str | Path, frame: int | None = None) -> tuple[Values, Values]:
    """Each pixel's brightest channel in MONAI's index order, and the affine; see ``images.read_mask``."""
    if frame is not None and read_header(path).planes == 1:
        frame = None  # the mask of this frame alone
    return _values(path, frame, brightest_picture, brightest)


def _values(
    path: str | Path,
    frame: int | None,
    of_picture: Callable[[Image.Image], Image.Image],
    of_channels: Callable[[Values], Values],
) -> tuple[Values, Values]:
    if suffix_of(path) in RASTER_SUFFIXES:
        require_readable(path)
        with naming(path), open_picture(path) as image:
            return _page(image, frame, of_picture), np.eye(4)
    if frame is None:
        values, affine, has_channels = _decode(path)
    else:
        status = Path(path).stat()
        with _one_at_a_time:  # or every thread would decode the loop for itself
            loop, affine, has_channels = _loop(str(path), status.st_mtime_ns, status.st_size)
        with naming(path):
            values = _frame(loop, frame, loop.ndim - has_channels)
    with naming(path):
        return (of_channels(values) if has_channels else values), affine


def _page(image: Image.Image, frame: int | None, converter: Callable[[Image.Image], Image.Image]) -> Values:
    pages = pages_of(image)
    if pages > 1 and frame is None:
        raise UnsuitableError(f"has {pages} pages. Save each as an image of its own, or say which frame to read.")
    if frame is not None:
        _require_frame(frame, pages)
        image.seek(frame)
    # Each page has a size of its own. As any raster it is judged by that alone, not by the bytes of its file.
    require_plausible(image.size, ".png", 0)
    return shown_values(image, converter)


@lru_cache(maxsize=LOOPS_KEPT)
def _loop(path: str, _modified: int, _size: int) -> Decoded:
    """The last loops as decoded, since ITK decodes all frames for any one of them."""
    return _decode(path)


def _frame(loop: Values, frame: int, axes: int) -> Values:
    _require_frame(frame, loop.shape[2] if axes > 2 else 1)
    return loop[:, :, frame] if axes > 2 else loop


def _require_frame(frame: int, frames: int) -> None:
    if not 0 <= frame < frames:
        raise UnsuitableError(f"has the frames 0 to {frames - 1}, but frame {frame} was asked for. List it again.")


def _decode(path: str | Path) -> Decoded:
    # Refuses what is damaged or too large before it is decoded.
    read_header(path)
    suffix = format_of(path)
    with naming(path):
        if suffix in NIFTI_SUFFIXES:
            nifti = NibabelReader()
            values, meta = nifti.get_data(nifti.read(path))
            if values.dtype.names:  # RGB24 and RGBA32
                return np.stack([values[name] for name in values.dtype.names], axis=-1), meta["affine"], True
            return values, meta["affine"], False
        if suffix in DICOM_SUFFIXES:
            header = read_dicom_header(path)
            with agreeing(Path(path), header) as readable:
                values, meta = ITKReader().get_data(itk_image(readable))
            values = as_shown(values, header)
        else:
            values, meta = ITKReader().get_data(itk_image(path))
        return values, meta["affine"], not is_no_channel(meta["original_channel_dim"])
