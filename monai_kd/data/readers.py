# SPDX-License-Identifier: Apache-2.0
"""Pixel values and affine of a file through MONAI's readers: gray for images, brightest channel for masks."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.data import ImageReader, ITKReader, NibabelReader, PILReader
from monai.data.utils import is_no_channel
from PIL import Image, ImageChops

from monai_kd.data.formats import NIFTI_SUFFIXES, RASTER_SUFFIXES, SUFFIXES, suffix_of

Values = npt.NDArray[Any]

GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601-2, as Pillow's mode "L"


class _UnsuitableError(ValueError):
    """An intact image that cannot be used; the message goes on from the file's name."""


def image_values(path: str | Path) -> tuple[Values, Values]:
    """Gray values in MONAI's index order, and the affine; see ``images.read_image``."""
    values, affine, has_channels = _read(path, PILReader(converter=_gray))
    return (_gray_channels(values, path) if has_channels else values), affine


def mask_values(path: str | Path) -> tuple[Values, Values]:
    """Each pixel's brightest channel in MONAI's index order, and the affine; see ``images.read_mask``."""
    values, affine, has_channels = _read(path, PILReader(converter=_brightest))
    return (values[..., :3].max(axis=-1) if has_channels else values), affine


def _read(path: str | Path, raster_reader: ImageReader) -> tuple[Values, Values, bool]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file {path}. Check the path in the record or the config.")
    reader = _reader(path, raster_reader)
    try:
        values, meta = reader.get_data(reader.read(path))
    except _UnsuitableError as error:
        raise ValueError(f"{path} {error}") from error
    except Exception as error:  # each format's library has its own errors for a damaged file
        raise ValueError(
            f"{path} cannot be decoded ({_reason(error)}). It is damaged or of an unusual kind: copy it again, or "
            "export it as gray values."
        ) from error
    if values.dtype.names:  # NIfTI's RGB24 and RGBA32
        return np.stack([values[name] for name in values.dtype.names], axis=-1), meta["affine"], True
    has_channels = isinstance(reader, ITKReader) and not is_no_channel(meta["original_channel_dim"])
    return values, meta.get("affine", np.eye(4)), has_channels


def _reason(error: Exception) -> str:
    """The first telling line: ITK's begin with the place in its source, which ends with a colon."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line.rstrip(".") for line in lines if line and not line.endswith(":")), type(error).__name__)


def _reader(path: str | Path, raster_reader: ImageReader) -> ImageReader:
    suffix = suffix_of(path)
    if not suffix:
        raise ValueError(f"{path} is in no known format. Convert it to one of {', '.join(SUFFIXES)}.")
    if suffix in RASTER_SUFFIXES:
        return raster_reader
    if suffix in NIFTI_SUFFIXES:
        return NibabelReader()
    if find_spec("itk") is None:
        raise ImportError(f"{path} needs ITK. Run: pip install itk-io")
    return ITKReader()


def _gray_channels(values: Values, path: str | Path) -> Values:
    """Gray of (..., 3) RGB or (..., 4) RGBA; alpha is composited on black."""
    if values.shape[-1] not in (3, 4):
        raise ValueError(f"{path} has {values.shape[-1]} channels. Export it as gray, RGB or RGBA.")
    gray: Values = values[..., :3] @ GRAY_WEIGHTS
    is_integer = values.dtype.kind in "iu"
    if values.shape[-1] == 4:
        gray = gray * (values[..., 3] / (np.iinfo(values.dtype).max if is_integer else 1.0))
    return np.rint(gray) if is_integer else gray


def _gray(image: Image.Image) -> Image.Image:
    _require_one_page(image)
    if _is_deep(image):
        return image.copy()
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return image.convert("L")


def _brightest(image: Image.Image) -> Image.Image:
    _require_one_page(image)
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


def _require_one_page(image: Image.Image) -> None:
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if pages > 1:
        raise _UnsuitableError(f"has {pages} pages. Save each as an image of its own.")


def _require_two_colors(image: Image.Image) -> None:
    """A palette with colors is a label map; one of grays may be a smoothed mask."""
    colors = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
    if len(colors) > 2 and (colors != colors[:, :1]).any():
        raise _UnsuitableError(
            f"is a label map of {len(colors)} colors, a mask has two. Save it with 0 outside the lesion and 255 inside."
        )
