# SPDX-License-Identifier: Apache-2.0
"""What ``--set id=value`` gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

__all__ = ["parse_settings"]


def parse_settings(texts: Sequence[str] | None) -> dict[str, Any]:
    """
    Values by id.

    Args:
        texts: each ``id=value``, the value JSON.

    Raises:
        ValueError: When one is not, or an id is given twice.

    Example:
        >>> parse_settings(["spatial_size=[96,96]"])
        {'spatial_size': [96, 96]}
    """
    found: dict[str, Any] = {}
    for text in texts or ():
        name, value = _setting(text)
        if name in found:
            raise ValueError(f"--set {name}=… is given twice. Keep one of them.")
        found[name] = value
    return found


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        raise ValueError(f"--set {text} is not id=value with a JSON value, such as max_epochs=20.") from None
