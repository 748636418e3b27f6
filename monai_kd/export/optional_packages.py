# SPDX-License-Identifier: Apache-2.0
"""Packages that only exporting needs, looked for when they are used."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["package"]


def package(name: str) -> Any:
    """
    Import a package.

    Args:
        name: of the module, such as ``onnxruntime``.

    Raises:
        ImportError: When it is not installed, with the command that installs it.

    Example:
        >>> package("json").loads("[1]")
        [1]
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is needed for this: pip install {name.partition('.')[0]} ({error}).") from error
