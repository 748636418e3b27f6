# SPDX-License-Identifier: Apache-2.0
"""NIfTI by nibabel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from monai.data import NibabelReader

from monai_kd.data.image_files.geometry import on_axes
from monai_kd.data.image_files.image_format import Decoded, Header, ImageFormat, Values, of_whole

WITHOUT_SCALE = {"scl_slope": 1, "scl_inter": 0, "cal_min": 0, "cal_max": 0, "descrip": b""}


def _header(path: Path) -> Header:
    image: Any = nibabel.load(path)
    kind = image.get_data_dtype()
    is_scaled = (image.dataobj.slope, image.dataobj.inter) != (1.0, 0.0)
    return Header(image.shape, encoding=f"NIfTI, {kind}", pixel_bytes=8 if is_scaled else kind.itemsize)


def _decode(path: Path) -> Decoded:
    reader = NibabelReader()
    values, meta = reader.get_data(reader.read(path))
    if values.dtype.names:  # RGB24 and RGBA32
        return np.stack([values[name] for name in values.dtype.names], axis=-1), meta["affine"], True
    return values, meta["affine"], False


def _write(values: Values, place: Values | Path, path: Path) -> None:
    if isinstance(place, Path):
        image: Any = nibabel.load(place)
        header = image.header.copy()
        header.set_data_dtype(values.dtype)
        header.extensions.clear()  # may hold the patient's data
        for name, value in WITHOUT_SCALE.items():
            header[name] = value
        made = type(image)(on_axes(values, image.shape), image.affine, header)
    else:
        made = nibabel.Nifti1Image(values, place)  # type: ignore[no-untyped-call]
    nibabel.save(made, path)


NIFTI = ImageFormat(
    name="NIfTI",
    suffixes=(".nii", ".nii.gz"),
    header=_header,
    pixels=of_whole(_decode),
    write=_write,
    mask_suffix="",
    axes="RAS",
)
