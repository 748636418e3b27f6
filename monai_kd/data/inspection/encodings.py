# SPDX-License-Identifier: Apache-2.0
"""Format and pixel type of an image file, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import nibabel
from PIL import Image

from monai_kd.data.formats import NIFTI_SUFFIXES, RASTER_SUFFIXES, suffix_of

MODES = {
    "1": "1 bit",
    "L": "8 bit gray",
    "LA": "8 bit gray with alpha",
    "P": "8 bit palette",
    "RGB": "8 bit RGB",
    "RGBA": "8 bit RGBA",
    "I;16": "16 bit gray",
    "I": "32 bit gray",
    "F": "32 bit float",
}


def encoding_of(path: str | Path) -> str:
    """
    The words for an image that can be read.

    Args:
        path: of one of ``formats.SUFFIXES``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("RGB", (4, 3)).save(Path(folder, "1.png"))
        ...     encoding_of(Path(folder, "1.png"))
        'PNG, 8 bit RGB'
    """
    suffix = suffix_of(path)
    if suffix in RASTER_SUFFIXES:
        with Image.open(path) as image:
            return f"{image.format}, {MODES.get(image.mode, image.mode)}"
    if suffix in NIFTI_SUFFIXES:
        return f"NIfTI, {cast(Any, nibabel.load(path)).get_data_dtype()}"
    return suffix[1:].upper()
