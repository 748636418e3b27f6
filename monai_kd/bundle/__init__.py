# SPDX-License-Identifier: Apache-2.0
"""Read MONAI bundles: the files, ids and values of their configs, and their scripts."""

from __future__ import annotations

from typing import Any

__all__ = [
    "check_arguments",
    "require_out_of_fold",
    "require_unseen",
    "seen_images",
    "training_record",
    "use_records",
]


def __getattr__(name: str) -> Any:
    # MONAI is imported only when it is needed, because the import is slow and a command's help does without it.
    if name == "check_arguments":
        from monai_kd.bundle.argument_checks import check_arguments

        return check_arguments
    if name in __all__:
        from monai_kd.bundle import record

        return getattr(record, name)
    raise AttributeError(f"module 'monai_kd.bundle' has no attribute {name!r}")
