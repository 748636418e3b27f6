# SPDX-License-Identifier: Apache-2.0
"""Pictures with orientation tags, and TIFF files byte by byte: Pillow writes few of their kinds itself."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from monai_kd.data.image_files.pillow import ORIENTATION

TAGS = tuple(range(1, 9))
KINDS = {"u": 1, "i": 2, "f": 3}
RAW, DEFLATE = 1, 8


def stored(shown: np.ndarray, tag: int) -> np.ndarray:
    """The pixels that a camera stores for a shown picture (H, W), by EXIF's definition of its row 0 and column 0."""
    if tag in (2, 3, 6, 7):  # the first column (or row, if the picture lies on its side) is on the right
        shown = shown[:, ::-1]
    if tag in (3, 4, 7, 8):  # at the bottom
        shown = shown[::-1]
    return shown.T if tag in (5, 6, 7, 8) else shown


def write_tagged(path: Path, shown: np.ndarray, tag: int, **options: object) -> Path:
    """Write a picture that is shown as (W, H) values: any format that Pillow writes EXIF in; TIFF has its own tag."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.ascontiguousarray(stored(np.moveaxis(shown, 0, 1), tag)))
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    if path.suffix.lower() in (".tif", ".tiff"):
        picture.save(path, tiffinfo={ORIENTATION: tag}, **options)
    else:
        picture.save(path, exif=exif, **({"quality": 90} if path.suffix.lower() in (".jpg", ".jpeg") else {}))
    return path


def write_tiff(
    path: Path,
    pages: Sequence[np.ndarray],
    tags: Sequence[int] = (),
    white_is_zero: bool = False,
    order: str = "<",
    compression: int = RAW,
) -> Path:
    """
    Write pages of one channel (H, W) of any number type.

    Args:
        path: the file.
        pages: their values as stored.
        tags: an orientation for each page.
        white_is_zero: what the values mean.
        order: of the bytes.
        compression: ``RAW`` or ``DEFLATE``.
    """
    content = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    for number, page in enumerate(pages):
        data = page.astype(page.dtype.newbyteorder(order)).tobytes()
        data = zlib.compress(data) if compression == DEFLATE else data
        entries = [(256, page.shape[1]), (257, page.shape[0]), (258, page.itemsize * 8), (259, compression)]
        entries += [(262, int(not white_is_zero)), (273, 0), *([(274, tags[number])] if tags else []), (277, 1)]
        entries += [(278, page.shape[0]), (279, len(data)), (339, KINDS[page.dtype.kind])]
        start = len(content) + 2 + 12 * len(entries) + 4
        after = start + len(data) if number + 1 < len(pages) else 0
        content += struct.pack(order + "H", len(entries))
        for tag, value in entries:
            content += struct.pack(order + "HHII", tag, 4, 1, start if tag == 273 else value)
        content += struct.pack(order + "I", after) + data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def png_chunks(content: bytes) -> list[bytes]:
    """A PNG's complete chunks."""
    chunks, place = [], 8
    while place < len(content):
        end = place + 12 + struct.unpack(">I", content[place : place + 4])[0]
        chunks.append(content[place:end])
        place = end
    return chunks
