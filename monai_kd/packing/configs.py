# SPDX-License-Identifier: Apache-2.0
"""JSON configs of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_kd.utils.atomic_files import read_json

__all__ = ["read_config", "write_config"]


def read_config(path: Path) -> dict[str, Any]:
    """
    A config as it stands, nothing resolved.

    Args:
        path: of a config.

    Returns:
        Values by id.

    Raises:
        ValueError: When it is not JSON.
    """
    content: dict[str, Any] = read_json(path)
    return content


def write_config(path: Path, content: dict[str, Any]) -> None:
    """
    Write a config in place of the former one.

    Args:
        path: of a config in a copy of a bundle.
        content: what it shall hold.
    """
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
