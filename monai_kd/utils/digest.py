# SPDX-License-Identifier: Apache-2.0
"""Checksums of files."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path

__all__ = ["sha256"]


def sha256(path: str | PathLike[str]) -> str:
    """
    SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        FileNotFoundError: When there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file '{path}'. Put it back, or give another path.")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
