# SPDX-License-Identifier: Apache-2.0
"""JSON as this package reads and writes it, in every file alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from monai_kd.utils.atomic_files import atomic_write

__all__ = ["json_text", "read_json", "write_json"]


def read_json(path: str | PathLike[str], remedy: str = "Restore it.") -> Any:
    """
    The content of a JSON file.

    Args:
        path: of the file, in UTF-8.
        remedy: what to do where it is damaged, for the message.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is not JSON.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_json(Path(folder, "metadata.json"), {"version": "0.1.0"})
        ...     read_json(Path(folder, "metadata.json"))
        {'version': '0.1.0'}
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is not JSON: {error}. {remedy}") from None


def write_json(path: str | PathLike[str], content: Any, default: Callable[[Any], Any] | None = None) -> None:
    """
    Write a JSON file, which is there whole or not at all.

    Args:
        path: of the file, which is replaced; its folder is made if missing.
        content: as for :func:`json_text`.
        default: as for :func:`json_text`.

    Raises:
        ValueError: When the file cannot be written; a former one is still there.
    """
    with atomic_write(path) as temporary:
        # A file name that is not UTF-8 has lone surrogates: as JSON's own escapes they can be read back.
        temporary.write_text(json_text(content, default), encoding="utf-8", errors="backslashreplace")


def json_text(content: Any, default: Callable[[Any], Any] | None = None) -> str:
    """
    Plain values as JSON, with MONAI's indentation and the end of the last line.

    Args:
        content: dictionaries, lists, text and numbers.
        default: gives a plain value for what is none.

    Example:
        >>> print(json_text({"name": "Dušan", "folder": Path("a")}, default=str), end="")
        {
            "name": "Dušan",
            "folder": "a"
        }
    """
    return json.dumps(content, indent=4, ensure_ascii=False, default=default) + "\n"
