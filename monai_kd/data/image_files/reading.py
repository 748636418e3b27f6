# SPDX-License-Identifier: Apache-2.0
"""Read an image or mask of any format as a MetaTensor (1, W, H[, D])."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from monai.data import MetaTensor
from monai.data.utils import to_affine_nd

from monai_kd.data.image_files.binarize import binarize
from monai_kd.data.image_files.formats import format_of, is_picture, name_of, read_pixels
from monai_kd.data.image_files.geometry import PICTURE, on_grid_of
from monai_kd.data.image_files.image_format import Values


def read_image(path: str | Path, frame: int | None = None, name: str = "") -> MetaTensor:
    """
    Read an image as gray values in MONAI's index order.

    Color becomes gray by ITU-R 601, transparent pixels are composited on black, and 16-bit values are kept.

    Args:
        path: PNG, JPEG, BMP, TIFF (Pillow), NIfTI (nibabel), NRRD, MHA or DICOM (ITK).
        frame: frame of a DICOM loop or page of a TIFF file, from 0; None for the whole file.
        name: of the image, for the name of its mask's file. Defaults to the file's name.

    Returns:
        (1, W, H) or, for a volume, (1, W, H, D), float32, with ``affine``, ``original_affine``, ``spatial_shape``,
        ``filename_or_obj``, ``frame`` (-1 for a whole file) and ``name``, which distinguishes the frames of a file.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file is not a readable image, is too large, has too many axes or no such frame, or holds
            NaN or infinite values.
    """
    values, affine = read_pixels(path, frame)
    if values.dtype.kind == "c":
        raise ValueError(f"{path} holds complex numbers (raw echoes). Save their magnitude as gray values.")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ValueError(f"{path} holds {count} NaN or infinite values. Export the image again without them.")
    return _tensor(_spatial(values, path), affine, path, name or name_of(path, frame), frame)


def read_mask(paths: str | Path | Sequence[str | Path], frame: int | None = None) -> MetaTensor:
    """
    Read a mask as exactly 0 and 1; several masks of one image are joined by OR.

    Colored masks are read by their brightest channel, never by alpha; ``two_levels.binarize`` defines which values are
    accepted. Masks whose axes are turned relative to the first one are turned back (:func:`on_image`).

    Args:
        paths: one file or several, in the formats of ``read_image``.
        frame: frame of a loop's masks, or slice of a volume of masks; ignored for a file of one mask.

    Returns:
        As in ``read_image``; the metadata come from the first file.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When a file is not a readable image or not two-level, or the masks differ in size.
    """
    files = [paths] if isinstance(paths, (str, Path)) else list(paths)
    masks = [_one_mask(file, frame) for file in files]
    if frame is None:
        masks = [on_image(mask, masks[0], file, files[0]) for file, mask in zip(files, masks, strict=True)]
    for file, mask in zip(files, masks, strict=True):
        require_same_size(mask, masks[0], file, files[0])
    joined = masks[0]
    for mask in masks[1:]:
        joined.logical_or_(mask)
    return joined


def on_image(mask: MetaTensor, image: MetaTensor, mask_path: Any, image_path: Any) -> MetaTensor:
    """
    A mask in its image's pixel order, according to the positions stored in both files.

    Files without a position (pictures, the unit matrix) are not changed. NIfTI and ITK's formats use different axes. A
    mask in one and an image in the other are compared after conversion; if they do not lie on one grid, the position is
    probably missing, and the mask is not changed.

    Args:
        mask: (1, W, H[, D]), as read.
        image: (1, W, H[, D]), as read.
        mask_path: one path or several; the first one's suffix gives the format.
        image_path: as ``mask_path``.

    Raises:
        ValueError: When mask and image differ in spacing, angle or origin.
    """
    one, other = (Path(path if isinstance(path, (str, Path)) else path[0]) for path in (mask_path, image_path))
    if not (_has_place(mask, one) and _has_place(image, other)):
        return mask
    values, wanted = mask.numpy()[0], image.affine.numpy()
    turned = on_grid_of(values, mask.affine.numpy(), image.shape[1:], wanted)
    if turned is not None:
        return mask if turned is values else _tensor(turned, wanted, one, str(mask.meta["name"]))
    axes = {found.axes for path in (one, other) if (found := format_of(path)) is not None}
    if mask.shape != image.shape or len(axes) > 1:
        return mask
    raise ValueError(
        f"{mask_path} lies elsewhere than {image_path}: it has another spacing, angle or origin. "
        "Save the mask on the grid of its image."
    )


def _has_place(tensor: MetaTensor, path: Path) -> bool:
    affine = tensor.affine.numpy()
    return not is_picture(path) and not any(np.allclose(affine, none) for none in (np.eye(4), PICTURE))


def require_same_size(mask: MetaTensor, image: MetaTensor, mask_path: object, image_path: object) -> None:
    """Check that a mask has the size of its image; a ValueError gives both sizes."""
    if mask.shape != image.shape:
        raise ValueError(
            f"{mask_path} is {_size(mask)} pixels but {image_path} is {_size(image)}. "
            "Export the mask at the size of its image."
        )


def _one_mask(path: str | Path, frame: int | None) -> MetaTensor:
    values, affine = read_pixels(path, frame, is_mask=True)
    try:
        mask = binarize(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}. Save it with 0 outside the lesion and 255 (or 1) inside.") from None
    return _tensor(_spatial(mask, path), affine, path, name_of(path, frame), frame)


def _spatial(values: Values, path: str | Path) -> Values:
    """The array without trailing axes of length 1, which 2D NIfTI, NRRD and DICOM files have."""
    while values.ndim > 2 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3):
        raise ValueError(f"{path} has the shape {values.shape}; an image has 2 axes, a volume 3. Save each part apart.")
    return values


def _tensor(values: Values, affine: Values, path: str | Path, name: str, frame: int | None = None) -> MetaTensor:
    # The same metadata for every format, because batches of mixed formats must collate.
    affine = to_affine_nd(3, affine)
    meta = {
        "original_affine": affine.copy(),
        "spatial_shape": np.asarray(values.shape),
        "original_channel_dim": float("nan"),  # MONAI's value for a file without channel axis
        "filename_or_obj": str(path),
        "name": name,
        "frame": -1 if frame is None else frame,  # batches of None do not collate
    }
    tensor = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    # Add the channel last, as EnsureChannelFirst does: a MetaTensor counts its spatial axes when it is made.
    return cast(MetaTensor, MetaTensor(tensor, affine=torch.from_numpy(affine), meta=meta)[None])


def _size(tensor: MetaTensor) -> str:
    return " × ".join(str(length) for length in tensor.shape[1:])
