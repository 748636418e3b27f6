# SPDX-License-Identifier: Apache-2.0
"""Checks of uploaded files before they are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import HTTPException
from monai.data.utils import to_affine_nd

from monai_kd.data.image_files.formats import SUFFIXES, is_picture, mask_suffix, read_header, read_pixels, suffix_of
from monai_kd.data.image_files.geometry import PICTURE, on_grid_of, on_picture
from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd
from monai_kd.data.image_files.saving import write_image
from monai_kd.label.requests.limits import limit_large_images, require_decodable
from monai_kd.label.requests.request_files import new_file
from monai_kd.utils.messages import first_few

__all__ = ["placed_label", "require_image", "require_placed", "require_suffix"]

Array = npt.NDArray[Any]

MASK_VALUES: tuple[set[float], ...] = ({0, 1}, {0, 255})


def require_suffix(file: Path, what: str, taken: Collection[str] = SUFFIXES) -> str:
    """
    Return the suffix of an uploaded file in lower case, or answer 400 if the format is not supported.

    Args:
        what: name of the file in the message.
        taken: the supported suffixes.
    """
    suffix = suffix_of(file)
    if suffix in taken:
        return suffix
    got = suffix or file.suffix[:16]
    raise HTTPException(
        status_code=400,
        detail=f"{what} is a file {f'with the suffix {got!r}' if got else 'without a suffix'}. "
        f"Convert it to one of {', '.join(taken)}.",
    )


def require_image(file: Path, what: str, loading: LoadUltrasoundd | None = None) -> None:
    """
    Answer 400 if an uploaded file cannot be read as an image, and 413 if it is too large.

    Args:
        what: name of the image in the message.
        loading: the network's own, which may take fewer images: of 8 bits, of two axes. None for any image.
    """
    with _refused({file: what}):
        require_decodable(file, what)
        with limit_large_images(file):
            frame = 0 if read_header(file).is_loop else None
            (loading or LoadUltrasoundd("image"))({"image": file, "frame": frame})


def placed_label(file: Path, image: Path, what: str) -> Path:
    """
    Check that an uploaded label is a mask on its image's grid, of 0 and 1 or 0 and 255; only 0 means no lesion.

    The reader of data sets accepts more (blurred masks, a segment of any number), but here the annotator can correct
    the label.

    Args:
        file: as it was uploaded.
        image: path in the study.
        what: name of the label in the message.

    Returns:
        The file; or, if its axes are the image's but mirrored or exchanged, a temporary file with the mask turned onto
        the image.

    Raises:
        HTTPException: 400, when the label cannot be read, lies on another grid or has other values; 413, when it is too
            large.
    """
    with _refused({file: what, image: "its image"}):
        require_decodable(file, what)
        require_decodable(image, "its image")
        with limit_large_images(file, image):
            size, wanted = read_header(file).shape, read_header(image).shape
            if sorted(size) != sorted(wanted):
                raise ValueError(_other_size(what, size, wanted))
            values, affine = read_pixels(file, is_mask=True)
            levels = np.unique(values)
            if not any(set(levels.tolist()) <= allowed for allowed in MASK_VALUES):
                raise ValueError(
                    f"{what} holds the values {first_few(f'{value:g}' for value in levels)}. A label is 0 outside the "
                    "lesion and 1 (or 255) inside: save one segment, 'lesion'."
                )
            return _turned(values.reshape(size), to_affine_nd(3, affine), file, image, what)


def require_placed(file: Path, image: Path) -> None:
    """Raise a ValueError if a label that was copied into the study does not lie on its image's grid, pixel by pixel."""
    if is_picture(file):
        return
    size = read_header(file).shape
    values, affine = read_pixels(file, is_mask=True)
    placed = _turned(values.reshape(size), to_affine_nd(3, affine), file, image, f"'{file}'")
    if placed != file:
        placed.unlink()
        raise ValueError(
            f"The axes of '{file}' are mirrored or exchanged against those of '{image}'. Remove the file and submit it "
            "to the app, which turns it; or save it on the grid of the image."
        )


def _turned(values: Array, affine: Array, file: Path, image: Path, what: str) -> Path:
    header, wanted = read_header(image), PICTURE
    if is_picture(file) or read_header(file).is_mask:  # has no position in space: its pixels are the image's
        turned = values if values.shape == header.shape else None
    elif is_picture(image):
        turned = on_picture(values, affine, header.shape)
    else:
        wanted = to_affine_nd(3, read_pixels(image, 0 if header.is_loop else None)[1])
        turned = on_grid_of(values, affine, header.shape, wanted)
    if turned is None and values.shape != header.shape:
        raise ValueError(_other_size(what, values.shape, header.shape))
    if turned is None:
        raise ValueError(
            f"{what} is not at its image's position: its file has another spacing, angle or origin. Save it on the "
            "grid of the image: in 3D Slicer choose the image as the segmentation's reference volume."
        )
    if turned is values:
        return file
    moved = new_file(mask_suffix(file))
    write_image(np.ascontiguousarray(turned.astype(np.uint8)), wanted, moved)
    return moved


def _other_size(what: str, size: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    return (
        f"{what} is {_by(size)} pixels but its image is {_by(wanted)}. Save it on the grid of the image: in 3D Slicer "
        "choose the image as the segmentation's reference volume."
    )


@contextmanager
def _refused(names: Mapping[Path, str]) -> Iterator[None]:
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = str(error)
        for path, name in names.items():  # the server's paths mean nothing to a client
            text = text.replace(repr(str(path)), name).replace(str(path), name)
        raise HTTPException(status_code=400, detail=text) from error


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
