# SPDX-License-Identifier: Apache-2.0
"""One value out of a pixel's channels: gray for images, the brightest channel for masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from monai_kd.data.image_files.file_errors import UnsuitableError

Values = npt.NDArray[Any]

GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601-2, as Pillow's mode "L"


def gray(values: Values) -> Values:
    """
    Gray of (..., 3) RGB or (..., 4) RGBA values; alpha is composited on black.

    Raises:
        UnsuitableError: When there is another number of channels.
    """
    if values.shape[-1] not in (3, 4):
        raise UnsuitableError(f"has {values.shape[-1]} channels. Export it as gray, RGB or RGBA.")
    mixed: Values = values[..., :3] @ GRAY_WEIGHTS
    is_integer = values.dtype.kind in "iu"
    if values.shape[-1] == 4:
        mixed = mixed * (values[..., 3] / (np.iinfo(values.dtype).max if is_integer else 1.0))
    return np.rint(mixed) if is_integer else mixed


def brightest(values: Values) -> Values:
    """The largest of each pixel's colors, never its alpha."""
    largest: Values = values[..., :3].max(axis=-1)
    return largest


def gray_picture(image: Image.Image) -> Image.Image:
    """A Pillow image in gray, or as it is where it has more than 8 bits."""
    if _is_deep(image):
        return image.copy()
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return image.convert("L")


def brightest_picture(image: Image.Image) -> Image.Image:
    """A Pillow image's brightest channel, or the image as it is where it has more than 8 bits."""
    if _is_deep(image):
        return image.copy()
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode == "P":
        _require_two_colors(image)
    red, green, blue = image.convert("RGB").split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _is_deep(image: Image.Image) -> bool:
    """16 or 32 bits per pixel, integer or float: gray, and without a converter to mode "L" that keeps the values."""
    return image.mode == "F" or image.mode.startswith("I")


def _require_two_colors(image: Image.Image) -> None:
    """A palette with colors is a label map; one of grays may be a smoothed mask."""
    colors = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
    if len(colors) > 2 and (colors != colors[:, :1]).any():
        raise UnsuitableError(
            f"is a label map of {len(colors)} colors, a mask has two. Save it with 0 outside the lesion and 255 inside."
        )
