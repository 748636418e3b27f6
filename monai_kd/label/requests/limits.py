# SPDX-License-Identifier: Apache-2.0
"""How much memory and time one image may take from the others."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import HTTPException

from monai_kd.data.image_files.formats import is_picture, read_header

__all__ = ["MOST_DECODED", "decoded_bytes", "limit_large_images", "require_decodable"]

MOST_DECODED = 2**27  # 128 MiB: a picture of 5792 × 5792, or a volume of 512 × 512 × 128, in float32
LARGE = 2**25  # from 32 MiB on, 2896 × 2896, images wait for each other
COMPUTED = 4  # bytes of float32, in which every image is computed

_large = threading.Lock()
_small = threading.Semaphore(max(2, os.cpu_count() or 1))


def decoded_bytes(path: Path) -> int:
    """
    What an image takes in memory, by its header.

    Args:
        path: of the file; of a TIFF file one page counts, since one at a time is decoded.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it cannot be read, or is larger than any ultrasound image.

    Example:
        >>> import tempfile; from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (400, 300)).save(Path(folder, "1.png"))
        ...     decoded_bytes(Path(folder, "1.png"))
        480000
    """
    header = read_header(path)
    shape = header.shape[:2] if is_picture(path) else header.shape
    return math.prod(shape) * max(COMPUTED, header.pixel_bytes)


def require_decodable(path: Path, what: str) -> None:
    """
    Check, before anything is decoded, that an image is not too large for a server that others use at the same time.

    Args:
        path: of the file.
        what: the image is called, for the message.

    Raises:
        HTTPException: 413, when it is.
    """
    size = decoded_bytes(path)
    if size > MOST_DECODED:
        raise HTTPException(
            413,
            f"{what} takes {size / 2**20:.0f} MB of memory when it is decoded; at most {MOST_DECODED / 2**20:.0f} MB "
            "are taken. Save it smaller, or in parts.",
        )


@contextmanager
def limit_large_images(*paths: Path) -> Iterator[None]:
    """
    Decode or segment in here: large images one at a time, others beside them, so that nobody waits for a large one.

    Args:
        paths: files that are decoded together; one that is missing does not count.
    """
    large = max((decoded_bytes(path) for path in paths if path.is_file()), default=0) > LARGE
    with _large if large else _small:
        yield
