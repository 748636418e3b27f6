# SPDX-License-Identifier: Apache-2.0
"""What every MONAI bundle is made of, whoever reads it: files, ids and values of its configs, and its scripts."""

from __future__ import annotations

from typing import Any

__all__ = ["check_arguments"]


def __getattr__(name: str) -> Any:
    # MONAI is imported when it is needed: a command's help is printed without it.
    if name == "check_arguments":
        from monai_kd.bundle.argument_checks import check_arguments

        return check_arguments
    raise AttributeError(f"module 'monai_kd.bundle' has no attribute {name!r}")
