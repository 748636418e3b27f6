# SPDX-License-Identifier: Apache-2.0
"""The registry of file formats, and the way to each: what a file is called, what its header says, its pixels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image

from monai_kd.data.image_files.dicom import DICOM
from monai_kd.data.image_files.image_format import (
    Header,
    ImageFormat,
    NoImageError,
    Pixels,
    UnsuitableError,
    Write,
    require_plausible,
)
from monai_kd.data.image_files.nifti import NIFTI
from monai_kd.data.image_files.nrrd_mha import MHA, NRRD
from monai_kd.data.image_files.pillow import PICTURES, TIFF

FORMATS: tuple[ImageFormat, ...] = (
    PICTURES,
    TIFF,
    NIFTI,
    NRRD,
    MHA,
    DICOM,
)
ITK_OBJECT = re.compile(r"^ITK ERROR: \w+\(0x[0-9a-f]+\): ")  # with its address in memory
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)


def suffix_of(path: str | Path) -> str:
    """
    The suffix in lower case if it is that of a format, else an empty string.

    Example:
        >>> suffix_of("images/Case.1.NII.GZ"), suffix_of("notes.txt")
        ('.nii.gz', '')
    """
    name = Path(path).name.lower()
    return max((end for each in FORMATS for end in each.suffixes if name.endswith(end)), key=len, default="")


def format_of(path: str | Path) -> ImageFormat | None:
    """
    The format that a file's suffix says; without a known suffix, the one that recognises the file, as PACS export them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "IM-0001.0002").write_bytes(bytes(128) + b"DICM")
        ...     format_of(Path(folder, "IM-0001.0002")).name
        'DICOM'
    """
    suffix = suffix_of(path)
    if suffix:
        return next(each for each in FORMATS if suffix in each.suffixes)
    return next((each for each in FORMATS if each.recognise(Path(path))), None)


def is_picture(path: str | Path) -> bool:
    """
    Whether an image has two axes, and no place in space.

    Example:
        >>> is_picture("scan.tif"), is_picture("scan.nii")
        (True, False)
    """
    found = format_of(path)
    return found is not None and found.is_picture


def mask_suffix(path: str | Path) -> str:
    """
    The format that an image's mask is written in: NIfTI stays, a picture's mask is PNG, everything else NRRD.

    Example:
        >>> [mask_suffix(name) for name in ("scan.nii.gz", "scan.jpg", "scan.dcm")]
        ['.nii.gz', '.png', '.nrrd']
    """
    found = format_of(path)
    return ImageFormat.mask_suffix if found is None else found.mask_suffix or suffix_of(path)


def name_of(path: str | Path, frame: int | None = None) -> str:
    """
    What a file's name says an image, or one frame of a cine loop, is called.

    Example:
        >>> name_of("images/Case.1.NII.GZ"), name_of("images/loop.dcm", frame=7)
        ('Case.1', 'loop_frame007')
    """
    name = Path(path).name
    # Macs write é as e and an accent: an image and its mask may come by way of different computers.
    stem = unicodedata.normalize("NFC", name[: len(name) - len(suffix_of(path))])
    return stem if frame is None else frame_name(stem, frame)


def frame_name(name: str, frame: int) -> str:
    """
    What a frame of the cine loop ``name`` is called.

    Example:
        >>> frame_name("loop", 7)
        'loop_frame007'
    """
    return f"{name}_frame{frame:03}"


def read_header(path: str | Path) -> Header:
    """
    Read an image file's header and refuse one that promises more pixels than an ultrasound image has.

    A DICOM file of several frames and a TIFF file of several pages are loops, unless DICOM's storage class is that of
    a volume; NIfTI, NRRD and MHA files with a third axis are volumes.

    Args:
        path: a file of one of ``FORMATS``.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it cannot be opened, is of another format, damaged, or too large.
    """
    return _header(_readable(path), path)


def read_pixels(path: str | Path, frame: int | None = None, is_mask: bool = False) -> Pixels:
    """
    One value for each pixel, and the affine.

    Args:
        path: a file of one of ``FORMATS``.
        frame: which frame of a loop or page of a TIFF file, from 0; None for the whole file.
        is_mask: whether a color's brightest channel is meant, not its gray; a mask of one plane is that of any frame.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no readable image, too large, or has no such frame.
    """
    found = _readable(path)
    if not found.is_picture or (is_mask and frame is not None):
        # Refuses what is damaged or too large before it is decoded.
        is_flat = len(_header(found, path).shape) == 2
        frame = None if is_mask and is_flat else frame
    with naming(path):
        return found.pixels(Path(path), frame, is_mask)


def writer_of(path: str | Path) -> Write:
    """
    The verb ``write`` of the format that a new file's suffix says.

    Raises:
        ValueError: When that format is not written.
    """
    found = format_of(path)
    if found is None or found.write is None:
        raise ValueError(f"'{path}' is in no format that is written. Write PNG, NIfTI or NRRD.")
    return found.write


def _header(found: ImageFormat, path: str | Path) -> Header:
    with naming(path):
        header = found.header(Path(path))
        header = replace(header, shape=_without_trailing_ones(header.shape))
        require_plausible(header.shape, None if found.is_picture else Path(path).stat().st_size)
    return header


def _without_trailing_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A plane has further axes of length 1 in the files of volumetric formats."""
    kept = tuple(int(length) for length in shape)
    while len(kept) > 2 and kept[-1] == 1:
        kept = kept[:-1]
    return kept


def _readable(path: str | Path) -> ImageFormat:
    """The format of a file that is there, not empty, and can be opened."""
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
    Turn whatever is raised while a file is read into a ValueError with the file's name, reason and remedy.

    Raises:
        ImportError: When a library is missing.
        ValueError: In place of any other error.

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
        # ITK's messages begin with the place in its source, which ends with a colon.
        lines = (line.strip() for line in str(error).splitlines())
        reason = next((line.rstrip(".") for line in lines if line and not line.endswith(":")), type(error).__name__)
        reason = ITK_OBJECT.sub("", reason)
        kind = NoImageError if isinstance(error, NoImageError) else ValueError
        raise kind(
            f"{path} cannot be decoded ({reason}). It is damaged or of an unusual kind: copy it again, or export it "
            "as gray values."
        ) from None
