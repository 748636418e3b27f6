# SPDX-License-Identifier: Apache-2.0
"""Files that come from a client, before they are kept."""

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
from monai_kd.data.image_files.reading import read_image
from monai_kd.data.image_files.saving import write_image
from monai_kd.label.requests.limits import require_decodable, room
from monai_kd.label.requests.request_files import new_file
from monai_kd.utils.messages import first_few

__all__ = ["placed_label", "require_image", "require_placed", "require_suffix"]

Array = npt.NDArray[Any]

MASK_VALUES: tuple[set[float], ...] = ({0, 1}, {0, 255})


def require_suffix(file: Path, what: str, taken: Collection[str] = SUFFIXES) -> str:
    """
    The suffix of a client's file, in lower case, if it is of a format that is taken.

    Args:
        file: as it was uploaded.
        what: it is, for the message.
        taken: suffixes.

    Returns:
        The suffix.

    Raises:
        HTTPException: 400, when it is of another format.
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


def require_image(file: Path, what: str) -> None:
    """
    Check that a client's file can be read as an image.

    Args:
        file: as it was uploaded.
        what: the image is called, for the message.

    Raises:
        HTTPException: 400, when it cannot; 413, when it is too large.
    """
    with _refused({file: what}):
        require_decodable(file, what)
        with room(file):
            read_image(file, 0 if read_header(file).is_loop else None)


def placed_label(file: Path, image: Path, what: str) -> Path:
    """
    Check that a client's file can be read as a mask on an image's grid, of 0 and 1 or 0 and 255, or of 0 alone, which
    says that there is no lesion.

    The data sets' own reader takes more (blurred masks, one segment of any number); here someone is there to ask.

    Args:
        file: of the label, as it was uploaded.
        image: its image's file.
        what: the label is called, for the message.

    Returns:
        The file; or, where its axes are those of the image mirrored or exchanged, a temporary one, in which the mask is
        turned onto the image's.

    Raises:
        HTTPException: 400, when it cannot be read, or lies on another grid, or has other values; 413, when it is too
            large.
    """
    with _refused({file: what, image: "its image"}):
        require_decodable(file, what)
        require_decodable(image, "its image")
        with room(file, image):
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
    """
    Check that a label which somebody copied into the study lies on its image's grid, pixel by pixel.

    Args:
        file: of the label.
        image: its image's file.

    Raises:
        ValueError: Naming both, when it does not.
    """
    if is_picture(file):
        return
    size = read_header(file).shape
    values, affine = read_pixels(file, is_mask=True)
    placed = _turned(values.reshape(size), to_affine_nd(3, affine), file, image, f"'{file}'")
    if placed != file:
        placed.unlink()
        raise ValueError(
            f"'{file}' has its axes mirrored or exchanged against those of '{image}'. Remove it, and submit it to the "
            "app, which turns it; or save it on the grid of the image."
        )


def _turned(values: Array, affine: Array, file: Path, image: Path, what: str) -> Path:
    header, wanted = read_header(image), PICTURE
    if is_picture(file):  # it has no place of its own
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
            f"{what} lies elsewhere than its image: its file has another spacing, angle or origin. Save it on the grid "
            "of the image: in 3D Slicer choose the image as the segmentation's reference volume."
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
        for path, name in names.items():  # the server's own paths say nothing to a client
            text = text.replace(repr(str(path)), name).replace(str(path), name)
        raise HTTPException(status_code=400, detail=text) from error


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
