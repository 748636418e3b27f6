# SPDX-License-Identifier: Apache-2.0
"""Lossless writing of images and masks: PNG where it can hold them, otherwise NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.data import MetaTensor

from monai_kd.data.image_files.formats import is_picture, writer_of

Values = npt.NDArray[Any]

PNG, NIFTI = ".png", ".nii.gz"


def exact_values(image: MetaTensor) -> Values:
    """
    An image's values without the channel, in the smallest type that holds them exactly.

    Args:
        image: shape (1, W, H[, D]), float32.

    Returns:
        (W, H[, D]) in uint8, uint16, int16, int32 or float32.

    Example:
        >>> import torch
        >>> [str(exact_values(MetaTensor(torch.full((1, 2, 2), high))).dtype) for high in (255.0, 256.0, -1.0, 0.5)]
        ['uint8', 'uint16', 'int16', 'float32']
    """
    values: Values = image.numpy()[0]
    for kind in (np.uint8, np.uint16, np.int16, np.int32):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        # Compare in 64 bits: in float32, the largest int32 is rounded up by one.
        if low <= float(values.min()) and float(values.max()) <= high and (values == np.rint(values)).all():
            return values.astype(kind)
    return values.astype(np.float32)


def natural_suffix(values: Values, source: str | Path) -> str:
    """
    PNG for a picture whose values fit; otherwise NIfTI, which keeps the spacing of medical formats.

    Example:
        >>> gray = np.zeros((4, 3), np.uint16)
        >>> natural_suffix(gray, "a.tif"), natural_suffix(gray, "a.dcm"), natural_suffix(gray / 2, "a.tif")
        ('.png', '.nii.gz', '.nii.gz')
    """
    return PNG if fits_png(values) and is_picture(source) else NIFTI


def fits_png(values: Values) -> bool:
    """Whether a PNG can hold the values: two axes, 8 or 16 bits."""
    return values.ndim == 2 and values.dtype in (np.uint8, np.uint16)


def write_values(values: Values, affine: Values, path: Path) -> None:
    """
    Write values (W, H[, D]), in MONAI's index order, as PNG or NIfTI.

    Args:
        values: for PNG, of 8 or 16 bits.
        affine: (4, 4), from index to millimeters; PNG cannot store it.
        path: ends in ``.png`` or ``.nii.gz``; its folder is made if missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    needs_axis = values.ndim == 2 and not is_picture(path)
    writer_of(path)(values[..., None] if needs_axis else values, affine, path)
