# SPDX-License-Identifier: Apache-2.0
"""The registry of file formats, with names, headers and pixels of files in any of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image

from monai_kd.data.image_files.dicom import DICOM as DICOM
from monai_kd.data.image_files.image_format import (
    Header,
    ImageFormat,
    NoImageError,
    Pixels,
    UnsuitableError,
    Write,
    require_plausible,
)
from monai_kd.data.image_files.nifti import NIFTI as NIFTI
from monai_kd.data.image_files.nrrd_mha import MHA as MHA
from monai_kd.data.image_files.nrrd_mha import NRRD as NRRD
from monai_kd.data.image_files.pillow import PICTURES as PICTURES
from monai_kd.data.image_files.pillow import TIFF as TIFF

# A format is an import line above. Messages list pictures first.
_imported = [value for value in globals().values() if isinstance(value, ImageFormat)]
FORMATS: tuple[ImageFormat, ...] = tuple(sorted(_imported, key=lambda each: not each.is_picture))
ITK_OBJECT = re.compile(r"^ITK ERROR: \w+\(0x[0-9a-f]+\): ")  # a class and its address in memory
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)


def suffix_of(path: str | Path) -> str:
    """The file's suffix in lower case if a format has it (``.nii.gz`` counts as one), otherwise an empty string."""
    name = _name(path).lower()
    fitting = [each for each in FORMATS if name.endswith(each.suffixes)]
    return max((end for each in fitting for end in each.suffixes if name.endswith(end)), key=len, default="")


def format_of(path: str | Path) -> ImageFormat | None:
    """
    The format of a file's suffix; without a known suffix, as in PACS exports, the format that recognises the file.
    """
    suffix = suffix_of(path)
    if suffix:
        return next(each for each in FORMATS if suffix in each.suffixes)
    return next((each for each in FORMATS if each.recognise(Path(path))), None)


def is_picture(path: str | Path) -> bool:
    """Whether an image has two axes and no position in space."""
    found = format_of(path)
    return found is not None and found.is_picture


def mask_suffix(path: str | Path) -> str:
    """
    The suffix of an image's mask: NIfTI stays NIfTI, a picture's mask is PNG, all others are NRRD.

    Example:
        >>> [mask_suffix(name) for name in ("scan.nii.gz", "scan.jpg", "scan.dcm")]
        ['.nii.gz', '.png', '.nrrd']
    """
    found = format_of(path)
    return ImageFormat.mask_suffix if found is None else found.mask_suffix or suffix_of(path)


def name_of(path: str | Path, frame: int | None = None) -> str:
    """
    The name of an image, or of one frame of a cine loop, from its file's name.

    Example:
        >>> name_of("images/Case.1.NII.GZ"), name_of("images/loop.dcm", frame=7)
        ('Case.1', 'loop_frame007')
    """
    name = _name(path)
    # Macs write é as e and an accent, and an image and its mask may come from different computers.
    stem = unicodedata.normalize("NFC", name[: len(name) - len(suffix_of(path))])
    return stem if frame is None else frame_name(stem, frame)


def _name(path: str | Path) -> str:
    return (path if isinstance(path, Path) else Path(path)).name


def frame_name(name: str, frame: int) -> str:
    """The name of a frame of the cine loop ``name``."""
    return f"{name}_frame{frame:03}"


def read_header(path: str | Path) -> Header:
    """
    Read an image file's header and refuse a file that claims more pixels than an ultrasound image has.

    A DICOM file with several frames and a TIFF file with several pages are loops, unless DICOM's storage class is a
    volume. NIfTI, NRRD and MHA files with a third axis are volumes.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it cannot be opened, is damaged or too large, or its format is unknown.
    """
    return _header(_readable(path), path)


def read_pixels(path: str | Path, frame: int | None = None, is_mask: bool = False) -> Pixels:
    """
    One value for each pixel, and the affine.

    Args:
        frame: frame of a loop or page of a TIFF file, from 0; None for the whole file. Ignored for a mask of one plane.
        is_mask: whether a color becomes its brightest channel, instead of gray.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is not a readable image, too large, or has no such frame.
    """
    found = _readable(path)
    if not found.is_picture or (is_mask and frame is not None):
        # Refuses damaged or too large files before they are decoded.
        is_flat = len(_header(found, path).shape) == 2
        frame = None if is_mask and is_flat else frame
    with naming(path):
        return found.pixels(Path(path), frame, is_mask)


def writer_of(path: str | Path) -> Write:
    """
    The function ``write`` of the format of a new file's suffix; a ValueError tells if that format is never written.
    """
    found = format_of(path)
    if found is None or found.write is None:
        raise ValueError(f"'{path}' is not in a format that can be written. Write PNG, NIfTI or NRRD.")
    return found.write


def _header(found: ImageFormat, path: str | Path) -> Header:
    with naming(path):
        header = found.header(Path(path))
        header = replace(header, shape=_without_trailing_ones(header.shape))
        require_plausible(header.shape, None if found.is_picture else Path(path).stat().st_size)
    return header


def _without_trailing_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without the trailing axes of length 1 that planes have in volumetric formats."""
    kept = tuple(int(length) for length in shape)
    while len(kept) > 2 and kept[-1] == 1:
        kept = kept[:-1]
    return kept


def _readable(path: str | Path) -> ImageFormat:
    """The format of a file that exists, is not empty and can be opened."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file {path}. Check the path in the record or the config.")
    found = format_of(path)
    if found is None:
        raise ValueError(f"{path} is in no known format. Convert it to one of {', '.join(SUFFIXES)}.")
    try:
        with Path(path).open("rb") as stream:
            is_empty = not stream.read(1)
    except OSError as error:
        raise ValueError(f"{path} cannot be opened ({error.strerror}). Allow reading it, or copy it again.") from None
    if is_empty:
        with naming(path):
            raise ValueError("the file is empty")
    return found


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """
    Turn every error while a file is read into a ValueError with the file's name, reason and remedy.

    Raises:
        ImportError: When a library is missing.
        ValueError: Instead of any other error.

    Example:
        >>> with naming("1.png"):
        ...     raise OSError("broken data stream")
        Traceback (most recent call last):
        ValueError: 1.png cannot be decoded (broken data stream). It is damaged or of an unusual kind: copy it again, \
or export it as gray values.
    """
    try:
        yield
    except ImportError:
        raise
    except UnsuitableError as error:
        raise ValueError(f"{path} {error}") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large ({error}). If it is not damaged, export it smaller.") from None
    except Exception as error:  # each format's library has its own errors for a damaged file
        # ITK's messages begin with a position in its source, which ends with a colon.
        lines = (line.strip() for line in str(error).splitlines())
        reason = next((line.rstrip(".") for line in lines if line and not line.endswith(":")), type(error).__name__)
        reason = ITK_OBJECT.sub("", reason)
        kind = NoImageError if isinstance(error, NoImageError) else ValueError
        raise kind(
            f"{path} cannot be decoded ({reason}). It is damaged or of an unusual kind: copy it again, or export it "
            "as gray values."
        ) from None
