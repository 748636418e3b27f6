# SPDX-License-Identifier: Apache-2.0
"""Limits of the memory and time that one image takes from other requests."""

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
LARGE = 2**25  # images above 32 MiB, 2896 × 2896, are processed one at a time
COMPUTED = 4  # bytes of float32, the type of all computations

_large = threading.Lock()
_small = threading.Semaphore(max(2, os.cpu_count() or 1))


def decoded_bytes(path: Path) -> int:
    """
    The memory that an image needs when it is decoded, from its header.

    For a TIFF file it is one page, because pages are decoded one at a time.

    Raises:
        FileNotFoundError: When the file does not exist.
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
    Answer 413, before anything is decoded, if an image is too large for a server with other users.

    Args:
        what: name of the image in the message.
    """
    size = decoded_bytes(path)
    if size > MOST_DECODED:
        raise HTTPException(
            413,
            f"{what} takes {size / 2**20:.0f} MB of memory when it is decoded; at most {MOST_DECODED / 2**20:.0f} MB "
            "are allowed. Save it smaller, or in parts.",
        )


@contextmanager
def limit_large_images(*paths: Path) -> Iterator[None]:
    """Process large images one at a time, and small ones beside them, so that nobody waits for a large one."""
    large = max((decoded_bytes(path) for path in paths if path.is_file()), default=0) > LARGE
    with _large if large else _small:
        yield
