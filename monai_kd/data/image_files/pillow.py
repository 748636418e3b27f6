# SPDX-License-Identifier: Apache-2.0
"""PNG, JPEG, BMP and TIFF by Pillow, as viewers show them: orientation tags and inverted gray scales are applied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import SEEK_CUR
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from monai_kd.data.image_files.image_format import (
    Header,
    ImageFormat,
    Pixels,
    UnsuitableError,
    Values,
    require_frame,
    require_plausible,
)

ORIENTATION = ExifTags.Base.Orientation
TURNS = {  # from the stored picture to the shown one, by the tag's value
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTER_TURNS = (5, 6, 7, 8)  # these swap width and height
BITS, MEANING, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, UNSIGNED, SIGNED = 0, 1, 2
PNG_START, NOTES = b"\x89PNG\r\n\x1a\n", {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
USUAL_GAMMA, SLACK = 1 / 2.2, 0.05
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


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open a picture without decoding its pixels."""
    with path.open("rb") as stream:
        try:
            # Pass a stream: Pillow maps a named file into memory, and then garbles a TIFF with a quarter turn.
            image = Image.open(stream)
        except UnidentifiedImageError:
            raise ValueError("it is not a picture, or Pillow cannot read its kind") from None
        with image:
            yield image


def _turn_of(image: Image.Image) -> int:
    """
    EXIF's orientation, by which viewers turn a stored picture: from 1 (unchanged) to 8.

    A damaged or unknown tag gives 1, as in every viewer. In a PNG, the tag may come after the pixels, which are decoded
    then.
    """
    try:
        value = image.getexif().get(ORIENTATION)
    except Exception:  # Pillow's parser raises whatever damaged bytes lead it to
        return 1
    return int(value) if isinstance(value, int) and value in TURNS else 1


def _header(path: Path) -> Header:
    with _open(path) as image:
        pages = _pages(image)
        require_plausible(image.size)  # before decoding a PNG with metadata after its pixels
        if image.format == "PNG" and not _has_late_notes(path):
            image.info.setdefault("exif", None)  # otherwise Pillow decodes the pixels to find metadata after them
        turn, (width, height) = _turn_of(image), image.size
        if turn in QUARTER_TURNS and not _is_tagged_tiff(image):
            width, height = height, width
        encoding = f"{image.format}, {MODES.get(image.mode, image.mode)}"
        return Header(
            (width, height, pages),
            pages > 1,
            display=_gamma(image),
            encoding=encoding + (f", turned by its orientation tag {turn}" if turn > 1 else ""),
            pixel_bytes=len(image.getbands()),
        )


def _has_late_notes(path: Path) -> bool:
    """Whether a PNG has chunks after its pixels that may hold an orientation."""
    kinds = []
    with path.open("rb") as stream:
        stream.seek(len(PNG_START))
        while len(start := stream.read(8)) == 8:
            kinds.append(start[4:])
            stream.seek(int.from_bytes(start[:4], "big") + 4, SEEK_CUR)
    pixels = kinds.index(b"IDAT") if b"IDAT" in kinds else 0
    return not NOTES.isdisjoint(kinds[pixels:])


def _pages(image: Image.Image) -> int:
    """Number of pages in a TIFF; 1 in other formats, whose further pictures are animations and previews."""
    return int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1


def _is_tagged_tiff(image: Image.Image) -> bool:
    """Whether it is a TIFF with a quarter turn, whose size Pillow gives as shown."""
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(ORIENTATION) in QUARTER_TURNS


def _gamma(image: Image.Image) -> str:
    """A PNG's gamma in words, if it is not the usual one of screens."""
    gamma = image.info.get("gamma")
    is_usual = gamma is None or "srgb" in image.info or abs(gamma - USUAL_GAMMA) < SLACK
    return "" if is_usual else f"a gamma of {gamma:.3g}"


def _pixels(path: Path, frame: int | None, is_mask: bool) -> Pixels:
    with _open(path) as image:
        pages = _pages(image)
        if pages > 1 and frame is None:
            raise UnsuitableError(f"has {pages} pages. Save each as its own image, or choose a frame.")
        if frame is not None:
            require_frame(frame, pages)
            image.seek(frame)
        require_plausible(image.size)  # each page has its own size
        is_tiff = image.format == "TIFF"
        image.load()
        turn = None if is_tiff else TURNS.get(_turn_of(image))  # Pillow itself turns TIFF while decoding
        shown = image if turn is None else image.transpose(turn)
        values = np.asarray((_brightest if is_mask else _gray)(shown))
        return np.moveaxis(_as_meant(values, image) if is_tiff else values, 0, 1), np.eye(4)


def _write(values: Values, place: Values | Path, path: Path) -> None:
    Image.fromarray(np.ascontiguousarray(values.T)).save(path, format="PNG")


def _as_meant(values: Values, image: Image.Image) -> Values:
    """The values of a TIFF of one channel, corrected by tags that Pillow ignores."""
    tags: Any = getattr(image, "tag_v2", None)
    bits, kind = (_first(tags.get(tag, UNSIGNED)) for tag in (BITS, SAMPLE_FORMAT))
    if image.mode == "L" and kind == SIGNED and bits == 8:
        return values.view(np.int8)
    if image.mode == "I" and kind == UNSIGNED and bits == 32:
        return values.view(np.uint32)
    if tags.get(MEANING) == WHITE_IS_ZERO and image.mode.startswith("I;16"):
        return np.iinfo(np.uint16).max - values
    if tags.get(MEANING) == WHITE_IS_ZERO and image.mode == "F":
        raise UnsuitableError(
            "holds floats with 0 as white, but which is black is undefined. Export it with 0 as black."
        )
    if image.mode in ("I", "F") and tags.prefix == b"MM" and image.info.get("compression") != "raw":
        raise UnsuitableError(  # Pillow reads the bytes of each number in the wrong order
            "is a compressed, big-endian TIFF with signed numbers or floats. Save it without compression."
        )
    return values


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _gray(image: Image.Image) -> Image.Image:
    """A Pillow image in gray; unchanged if it has more than 8 bits."""
    if _is_deep(image):
        return image.copy()
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return image.convert("L")


def _brightest(image: Image.Image) -> Image.Image:
    """The brightest channel of a Pillow image; the image unchanged if it has more than 8 bits."""
    if _is_deep(image):
        return image.copy()
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode == "P":
        _require_two_colors(image)
    red, green, blue = image.convert("RGB").split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _is_deep(image: Image.Image) -> bool:
    """Whether the pixels have 16 or 32 bits: they are gray, and Pillow cannot convert them to mode "L" without loss."""
    return image.mode == "F" or image.mode.startswith("I")


def _require_two_colors(image: Image.Image) -> None:
    """Refuse a palette with more than two colors, which is a label map; a gray palette may be a smoothed mask."""
    colors = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
    if len(colors) > 2 and (colors != colors[:, :1]).any():
        raise UnsuitableError(
            f"is a label map of {len(colors)} colors; a mask has two. Save it with 0 outside the lesion and 255 inside."
        )


PICTURES = ImageFormat(
    name="picture",
    suffixes=(".png", ".jpg", ".jpeg", ".bmp"),
    header=_header,
    pixels=_pixels,
    write=_write,
    mask_suffix=".png",
    is_picture=True,
)
TIFF = replace(PICTURES, name="TIFF", suffixes=(".tif", ".tiff"), tells_frames=True)
