# SPDX-License-Identifier: Apache-2.0
"""Packages that only an export needs, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["package"]


def package(name: str) -> Any:
    """Import a package such as ``onnxruntime``; the ImportError names the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is needed for this: pip install {name.partition('.')[0]} ({error}).") from error
