# SPDX-License-Identifier: Apache-2.0
"""JSON configs of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["read_config", "write_config"]


def read_config(path: Path) -> dict[str, Any]:
    """
    A config as it stands, nothing resolved.

    Args:
        path: of a config.

    Raises:
        ValueError: When it is not JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is not JSON: {error}. Restore it.") from error
    return content


def write_config(path: Path, content: dict[str, Any]) -> None:
    """
    Write a config in place of the former one.

    Args:
        path: of a config in a copy of a bundle.
        content: what it shall hold.
    """
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
