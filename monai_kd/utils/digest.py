# SPDX-License-Identifier: Apache-2.0
"""Checksums of files."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from typing import BinaryIO

__all__ = ["sha256", "sha256_of_open"]

BLOCK = 2**20


def sha256(path: str | PathLike[str]) -> str:
    """
    SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        FileNotFoundError: When there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file '{path}'. Put it back, or give another path.")
    with Path(path).open("rb") as file:
        return sha256_of_open(file, Path(path).stat().st_size)


def sha256_of_open(file: BinaryIO, count: int) -> str:
    """
    SHA-256 of the first bytes of an open file, in hexadecimal digits.

    Args:
        file: is read from its begin.
        count: of bytes; a file that is shorter counts as it is.

    Example:
        >>> from io import BytesIO
        >>> sha256_of_open(BytesIO(b"abc"), 0)[:8], sha256_of_open(BytesIO(b"abc"), 3)[:8]
        ('e3b0c442', 'ba7816bf')
    """
    digest = hashlib.sha256()
    file.seek(0)
    while count > 0 and (block := file.read(min(count, BLOCK))):
        digest.update(block)
        count -= len(block)
    return digest.hexdigest()
