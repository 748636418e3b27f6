# SPDX-License-Identifier: Apache-2.0
"""Values of repeated options: ``--set id=value``, and folders."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["one_or_all", "parse_settings"]


def one_or_all(folders: Sequence[Path]) -> Path | list[Path]:
    """
    Return the one folder of a repeated option, or the list of several folders.

    Example:
        >>> one_or_all([Path("data")])
        PosixPath('data')
    """
    return folders[0] if len(folders) == 1 else list(folders)


def parse_settings(texts: Sequence[str] | None) -> dict[str, Any]:
    """
    Return the values of ``--set`` by id.

    Args:
        texts: each is ``id=value`` with a JSON value, or one of Python such as ``True``.

    Raises:
        ValueError: When a text is not ``id=value``, or an id is given twice.

    Example:
        >>> parse_settings(["spatial_size=[96,96]"])
        {'spatial_size': [96, 96]}
        >>> parse_settings(["resume=False"])
        {'resume': False}
    """
    found: dict[str, Any] = {}
    for text in texts or ():
        name, value = _setting(text)
        if name in found:
            raise ValueError(f"--set {name}=… is given twice. Keep one of them.")
        found[name] = value
    return found


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    for parse in (json.loads, ast.literal_eval):
        try:
            return name, parse(value)
        except (ValueError, SyntaxError):
            continue
    quoted = shlex.quote(f"{name}={json.dumps(value)}")
    remedy = f" If the value is text, keep its quotes from the shell: --set {quoted}." if equals and value else ""
    raise ValueError(f"--set {text} is not id=value with a JSON value, such as max_epochs=20.{remedy}")
