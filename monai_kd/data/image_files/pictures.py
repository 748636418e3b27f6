# SPDX-License-Identifier: Apache-2.0
"""Pictures by Pillow as viewers show them: turned by their orientation tag, and white where white is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from monai_kd.data.image_files.file_errors import UnsuitableError

Values = npt.NDArray[Any]

ORIENTATION = ExifTags.Base.Orientation
TURNS = {  # what brings the stored picture into the shown one, by the tag's value
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTER_TURNS = (5, 6, 7, 8)  # which exchange width and height
BITS, MEANING, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, UNSIGNED, SIGNED = 0, 1, 2


@contextmanager
def open_picture(path: str | Path) -> Iterator[Image.Image]:
    """
    A picture whose pixels are not decoded yet.

    Args:
        path: of a file that Pillow reads.

    Raises:
        ValueError: When Pillow reads no such file.
    """
    with Path(path).open("rb") as stream:
        try:
            # Not by its name: Pillow maps a named file into memory, and then garbles a TIFF turned by a quarter.
            image = Image.open(stream)
        except UnidentifiedImageError:
            raise ValueError("it is no picture, or of a kind that Pillow cannot read") from None
        with image:
            yield image


def orientation_of(image: Image.Image) -> int:
    """
    How viewers turn a stored picture: EXIF's orientation from 1, as it is, to 8.

    A tag that is damaged or has another value is 1, as in every viewer. PNG may have the tag behind its pixels, which
    are decoded then.

    Args:
        image: of :func:`open_picture`.

    Example:
        >>> orientation_of(Image.new("L", (4, 3)))
        1
    """
    try:
        value = image.getexif().get(ORIENTATION)
    except Exception:  # Pillow's parser raises whatever damaged bytes lead it to
        return 1
    return int(value) if isinstance(value, int) and value in TURNS else 1


def shown_size(image: Image.Image) -> tuple[int, int]:
    """
    Width and height as shown.

    Args:
        image: of :func:`open_picture`, not decoded yet.

    Example:
        >>> shown_size(Image.new("L", (4, 3)))
        (4, 3)
    """
    width, height = image.size
    is_turned = orientation_of(image) in QUARTER_TURNS and not _has_tag(image)
    return (height, width) if is_turned else (width, height)


def shown_values(image: Image.Image, converter: Callable[[Image.Image], Image.Image]) -> Values:
    """
    A picture's values as shown, (W, H).

    Args:
        image: of :func:`open_picture`, at the page that is meant.
        converter: from a picture of any mode to one of one channel.

    Raises:
        UnsuitableError: When the picture's values have no order from black to white.

    Example:
        >>> shown_values(Image.new("L", (4, 3), 7), lambda image: image).shape
        (4, 3)
    """
    is_tiff = image.format == "TIFF"
    image.load()
    turn = None if is_tiff else TURNS.get(orientation_of(image))  # Pillow turns TIFF itself while it decodes
    values = np.asarray(converter(image if turn is None else image.transpose(turn)))
    if is_tiff:
        values = _as_meant(values, image)
    return np.moveaxis(values, 0, 1)


def _has_tag(image: Image.Image) -> bool:
    """Whether it is a TIFF with a tag of its own: Pillow gives its size as shown."""
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(ORIENTATION) in QUARTER_TURNS


def _as_meant(values: Values, image: Image.Image) -> Values:
    """The values of a TIFF of one channel by the tags that Pillow passes over."""
    tags: Any = getattr(image, "tag_v2", None)
    bits, kind = (_first(tags.get(tag, UNSIGNED)) for tag in (BITS, SAMPLE_FORMAT))
    if image.mode == "L" and kind == SIGNED and bits == 8:
        return values.view(np.int8)
    if image.mode == "I" and kind == UNSIGNED and bits == 32:
        return values.view(np.uint32)
    if tags.get(MEANING) == WHITE_IS_ZERO and image.mode.startswith("I;16"):
        return np.iinfo(np.uint16).max - values
    if tags.get(MEANING) == WHITE_IS_ZERO and image.mode == "F":
        raise UnsuitableError("holds floats of which 0 is white, but none is black. Export it with 0 as black.")
    if image.mode in ("I", "F") and tags.prefix == b"MM" and image.info.get("compression") != "raw":
        raise UnsuitableError(  # Pillow reads the bytes of each number in the wrong order
            "is a compressed, big-endian TIFF of numbers with sign or of floats. Save it without compression."
        )
    return values


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value
