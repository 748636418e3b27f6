# SPDX-License-Identifier: Apache-2.0
"""Masks on the very grid of their image's file: its axes, origin, spacing and direction, as the file says them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from monai_kd.data.image_files.formats import NIFTI_SUFFIXES, suffix_of
from monai_kd.data.image_files.itk_files import itk_grid, write_itk

Values = npt.NDArray[Any]


def write_on_grid_of(source: Path, values: Values, path: Path) -> None:
    """
    Write a mask as the image's file lies in space; nothing goes through an affine that could lose an axis.

    Args:
        source: the image's file: NIfTI, NRRD, MHA or DICOM.
        values: (W, H[, D]), uint8; of a cine loop's frame (W, H).
        path: a NIfTI file if the image is one, else NRRD.
    """
    if suffix_of(source) in NIFTI_SUFFIXES:
        image: Any = nibabel.load(source)
        header = image.header.copy()
        header.set_data_dtype(np.uint8)
        header.extensions.clear()  # may hold what is the patient's
        for name, value in (("scl_slope", 1), ("scl_inter", 0), ("cal_min", 0), ("cal_max", 0), ("descrip", b"")):
            header[name] = value
        made = type(image)(_on_axes(values, image.shape), image.affine, header)
        nibabel.save(made, path)
        return
    grid = itk_grid(source)
    write_itk(_on_axes(values, grid.size), grid, path)


def _on_axes(values: Values, size: tuple[int, ...]) -> Values:
    """With the axes of length 1 that were left out when the file was read; a frame is one slice."""
    if values.size == math.prod(size):
        return values.reshape(size)
    return values.reshape(*values.shape, *[1] * (len(size) - values.ndim))
