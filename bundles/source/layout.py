# SPDX-License-Identifier: Apache-2.0
"""
The layout of every config: an entry without objects stays on one line if it fits; any other has a line for each item.
"""

import json
from typing import Any

WIDTH = 120
INDENT = 4


def laid_out(config: Any) -> str:
    """The text of a config's file."""
    return _text(config, "", "") + "\n"


def _text(node: Any, margin: str, key: str) -> str:
    """
    A node's text.

    Args:
        node: an entry of the config.
        margin: the indentation of the line on which the node begins.
        key: the text between this margin and the node.
    """
    line = key + json.dumps(node, ensure_ascii=False)
    inside = _entries(node)
    if not inside or (margin and not _holds_object(inside) and len(f"{margin}{line},") <= WIDTH):
        return line
    named = isinstance(node, dict)
    deeper = margin + " " * INDENT
    keys = [f"{json.dumps(name, ensure_ascii=False)}: " if named else "" for name in node]
    lines = [deeper + _text(entry, deeper, name) for name, entry in zip(keys, inside, strict=True)]
    opened, closed = "{}" if named else "[]"
    return f"{key}{opened}\n" + ",\n".join(lines) + f"\n{margin}{closed}"


def _entries(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def _holds_object(entries: list[Any]) -> bool:
    return any(isinstance(entry, dict) or _holds_object(_entries(entry)) for entry in entries)
