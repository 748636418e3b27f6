# SPDX-License-Identifier: Apache-2.0
"""The file formats that are read, by suffix."""

from __future__ import annotations

from pathlib import Path

RASTER_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".mha", ".dcm", ".dicom")
SUFFIXES = RASTER_SUFFIXES + NIFTI_SUFFIXES + ITK_SUFFIXES


def suffix_of(path: str | Path) -> str:
    """The suffix in lower case if it is one of ``SUFFIXES``, else an empty string.

    Example:
        >>> suffix_of("images/Case.1.NII.GZ"), suffix_of("notes.txt")
        ('.nii.gz', '')
    """
    name = Path(path).name.lower()
    return max((suffix for suffix in SUFFIXES if name.endswith(suffix)), key=len, default="")
