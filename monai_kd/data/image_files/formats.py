# SPDX-License-Identifier: Apache-2.0
"""The file formats that are read, by suffix."""

from __future__ import annotations

import unicodedata
from pathlib import Path

TIFF_SUFFIXES = (".tif", ".tiff")
RASTER_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", *TIFF_SUFFIXES)
NIFTI_SUFFIXES = (".nii", ".nii.gz")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
ITK_SUFFIXES = (".nrrd", ".mha", *DICOM_SUFFIXES)
DICOM_START = b"DICM"  # behind 128 bytes that say nothing
SUFFIXES = RASTER_SUFFIXES + NIFTI_SUFFIXES + ITK_SUFFIXES


def suffix_of(path: str | Path) -> str:
    """
    The suffix in lower case if it is one of ``SUFFIXES``, else an empty string.

    Example:
        >>> suffix_of("images/Case.1.NII.GZ"), suffix_of("notes.txt")
        ('.nii.gz', '')
    """
    name = Path(path).name.lower()
    return max((suffix for suffix in SUFFIXES if name.endswith(suffix)), key=len, default="")


def format_of(path: str | Path) -> str:
    """
    As :func:`suffix_of`; ``.dcm`` for a file of no known suffix that begins as DICOM does, as PACS export them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "IM-0001.0002").write_bytes(bytes(128) + b"DICM")
        ...     format_of(Path(folder, "IM-0001.0002"))
        '.dcm'
    """
    return suffix_of(path) or (".dcm" if _begins_as_dicom(Path(path)) else "")


def mask_suffix(suffix: str) -> str:
    """
    The format that a mask is written in: NIfTI stays, a picture's mask is PNG, everything else NRRD.

    Args:
        suffix: of the image, as :func:`suffix_of` gives it.

    Example:
        >>> [mask_suffix(suffix) for suffix in (".nii.gz", ".jpg", ".dcm")]
        ['.nii.gz', '.png', '.nrrd']
    """
    return suffix if suffix in NIFTI_SUFFIXES else ".png" if suffix in RASTER_SUFFIXES else ".nrrd"


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


def _begins_as_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(DICOM_START) + 128)[128:] == DICOM_START
    except OSError:  # a folder, or what may not be read
        return False
