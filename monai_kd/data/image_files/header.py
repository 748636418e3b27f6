# SPDX-License-Identifier: Apache-2.0
"""An image's size before its pixels are decoded, so that no file can claim all memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
from PIL import Image

from monai_kd.data.image_files.dicom.display import not_applied
from monai_kd.data.image_files.dicom.header import read_dicom_header
from monai_kd.data.image_files.file_errors import UnsuitableError, naming
from monai_kd.data.image_files.formats import (
    DICOM_SUFFIXES,
    ITK_SUFFIXES,
    NIFTI_SUFFIXES,
    RASTER_SUFFIXES,
    SUFFIXES,
    format_of,
)
from monai_kd.data.image_files.itk_files import itk_shape, require_itk
from monai_kd.data.image_files.pictures import open_picture, shown_size

MAX_PLANE = 2**26  # pixels of one image, 8192 × 8192
MAX_VALUES = 2**29  # pixels of a volume or a cine loop
SUSPICIOUS = 2**26  # pixels from which a file must be large enough to hold them
COMPRESSION = 1100  # bytes that deflate can make of one at most, and a little more


@dataclass(frozen=True)
class Header:
    """
    What an image file's header says.

    Args:
        shape: (W, H) or (W, H, D), without channels; D counts slices or frames.
        is_loop: whether the last axis is time.
        patient: DICOM's Patient ID, else empty.
        display: what DICOM wants applied for display and reading does not apply, in words.
    """

    shape: tuple[int, ...]
    is_loop: bool = False
    patient: str = ""
    display: str = ""

    @property
    def planes(self) -> int:
        """How many slices or frames."""
        return math.prod(self.shape[2:])


def read_header(path: str | Path) -> Header:
    """
    Read an image file's header and refuse one that promises more pixels than an ultrasound image has.

    A DICOM file of several frames and a TIFF file of several pages are loops, unless DICOM's storage class is that of
    a volume; NIfTI, NRRD and MHA files with a third axis are volumes.

    Args:
        path: a file of one of ``formats.SUFFIXES``.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it cannot be opened, is of another format, damaged, or too large.
    """
    suffix = require_readable(path)
    with naming(path):
        if suffix in RASTER_SUFFIXES:
            with open_picture(path) as image:
                pages = pages_of(image)
                require_plausible(image.size, suffix, 0)  # or a file without its tag in front would be decoded
                size = shown_size(image)
                header = Header((*size, pages) if pages > 1 else size, pages > 1)
        elif suffix in DICOM_SUFFIXES:
            dicom = read_dicom_header(path)
            shape = (dicom.width, dicom.height, dicom.frames)[: 3 if dicom.frames > 1 else 2]
            header = Header(shape, dicom.frames > 1 and not dicom.is_volume, dicom.patient, not_applied(dicom))
        elif suffix in NIFTI_SUFFIXES:
            header = Header(_without_trailing_ones(nibabel.load(path).shape))  # type: ignore[attr-defined]
        else:
            header = Header(_without_trailing_ones(itk_shape(path)))
        require_plausible(header.shape, suffix, Path(path).stat().st_size)
    return header


def require_readable(path: str | Path) -> str:
    """
    Check that there is such a file of known format and that it can be opened; its suffix.

    Raises:
        FileNotFoundError: When there is none.
        ValueError: When it is empty, of another format, or may not be read.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file {path}. Check the path in the record or the config.")
    suffix = format_of(path)
    if not suffix:
        raise ValueError(f"{path} is in no known format. Convert it to one of {', '.join(SUFFIXES)}.")
    if suffix in ITK_SUFFIXES:
        require_itk(path)
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(1)
    except OSError as error:
        raise ValueError(f"{path} cannot be opened ({error.strerror}). Allow reading it, or copy it again.") from None
    with naming(path):
        if not start:
            raise ValueError("the file is empty")
    return suffix


def require_plausible(shape: Sequence[int], suffix: str, size: int) -> None:
    """
    Check that an image fits into memory, and that its file of ``size`` bytes can hold it.

    Raises:
        ValueError: Naming the size that the header tells of, for ``errors.naming``.
    """
    by_header = " × ".join(str(length) for length in shape) + " pixels"
    raster = suffix in RASTER_SUFFIXES  # of these one page at a time is decoded
    if min(shape) < 1:
        raise ValueError(f"its header tells of {by_header}")
    if math.prod(shape[:2]) > MAX_PLANE or (math.prod(shape) > MAX_VALUES and not raster):
        raise UnsuitableError(
            f"is {by_header} by its header; an image may have {MAX_PLANE:,}, a volume or a loop {MAX_VALUES:,}. "
            "If it is not damaged, export it smaller or in parts."
        )
    if not raster and math.prod(shape) > max(SUSPICIOUS, COMPRESSION * size):
        raise ValueError(f"its header tells of {by_header}, but the file has {size} bytes")


def pages_of(image: Image.Image) -> int:
    """A TIFF's number of pages; 1 for other formats, whose further pictures are animations and previews."""
    return int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1


def _without_trailing_ones(shape: Sequence[int]) -> tuple[int, ...]:
    kept = tuple(int(length) for length in shape)
    while len(kept) > 2 and kept[-1] == 1:
        kept = kept[:-1]
    return kept
