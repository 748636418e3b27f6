# SPDX-License-Identifier: Apache-2.0
"""Format and pixel type of an image file, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import nibabel

from monai_kd.data.image_files.formats import NIFTI_SUFFIXES, RASTER_SUFFIXES, format_of
from monai_kd.data.image_files.pictures import open_picture, orientation_of

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
        >>> from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("RGB", (4, 3)).save(Path(folder, "1.png"))
        ...     encoding_of(Path(folder, "1.png"))
        'PNG, 8 bit RGB'
    """
    suffix = format_of(path)
    if suffix in RASTER_SUFFIXES:
        with open_picture(path) as image:
            # Of a PNG only if the tag stands in front of its pixels, or these would be decoded once more.
            tag = orientation_of(image) if image.format != "PNG" or "exif" in image.info else 1
            turned = f", turned by its orientation tag {tag}" if tag > 1 else ""
            return f"{image.format}, {MODES.get(image.mode, image.mode)}{turned}"
    if suffix in NIFTI_SUFFIXES:
        return f"NIfTI, {cast(Any, nibabel.load(path)).get_data_dtype()}"
    return suffix[1:].upper()
