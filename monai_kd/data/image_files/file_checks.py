# SPDX-License-Identifier: Apache-2.0
"""Checks of a file before its pixels are decoded, and conversion of all errors to a ValueError that names the file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

MAX_PLANE = 2**26  # pixels of one image, 8192 × 8192
MAX_VALUES = 2**29  # pixels of a volume or a cine loop
SUSPICIOUS = 2**26  # from so many pixels on, the file's size must be plausible
COMPRESSION = 1100  # slightly more than the largest compression ratio of deflate
ITK_OBJECT = re.compile(r"^ITK ERROR: \w+\(0x[0-9a-f]+\): ")  # a class and its address in memory


class UnsuitableError(ValueError):
    """An intact file that cannot be used; the message continues the file's name and ends with the remedy."""


class NoImageError(ValueError):
    """A file in an image format that holds something else: a report, a presentation state."""


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """
    Turn every error while a file is read into a ValueError with the file's name, reason and remedy.

    Raises:
        ImportError: When a library is missing.
        ValueError: Instead of any other error.

    Example:
        >>> with naming("1.png"):
        ...     raise OSError("broken data stream")
        Traceback (most recent call last):
        ValueError: 1.png cannot be decoded (broken data stream). It is damaged or of an unusual kind: copy it again, \
or export it as gray values.
    """
    try:
        yield
    except ImportError:
        raise
    except UnsuitableError as error:
        raise ValueError(f"{path} {error}") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large ({error}). If it is not damaged, export it smaller.") from None
    except Exception as error:  # each format's library has its own errors for a damaged file
        # ITK's messages begin with a position in its source, which ends with a colon.
        lines = (line.strip() for line in str(error).splitlines())
        reason = next((line.rstrip(".") for line in lines if line and not line.endswith(":")), type(error).__name__)
        reason = ITK_OBJECT.sub("", reason)
        kind = NoImageError if isinstance(error, NoImageError) else ValueError
        raise kind(
            f"{path} cannot be decoded ({reason}). It is damaged or of an unusual kind: copy it again, or export it "
            "as gray values."
        ) from None


def require_plausible(shape: Sequence[int], size: int | None = None) -> None:
    """
    Check that an image fits into memory, and that its file is large enough to hold it.

    Args:
        shape: from the header.
        size: of the file, in bytes. None for a picture, whose pages are decoded one at a time.

    Raises:
        ValueError: With the size in the header, for :func:`naming`.
    """
    by_header = " × ".join(str(length) for length in shape) + " pixels"
    if min(shape) < 1:
        raise ValueError(f"its header says {by_header}")
    if math.prod(shape[:2]) > MAX_PLANE or (math.prod(shape) > MAX_VALUES and size is not None):
        raise UnsuitableError(
            f"has {by_header} according to its header; an image may have {MAX_PLANE:,}, a volume or a loop "
            f"{MAX_VALUES:,}. If it is not damaged, export it smaller or in parts."
        )
    if size is not None and math.prod(shape) > max(SUSPICIOUS, COMPRESSION * size):
        raise ValueError(f"its header says {by_header}, but the file has only {size} bytes")


def require_frame(frame: int, frames: int) -> None:
    """Refuse a frame that a file does not have."""
    if not 0 <= frame < frames:
        raise UnsuitableError(f"has the frames 0 to {frames - 1}, but frame {frame} was requested. List it again.")
