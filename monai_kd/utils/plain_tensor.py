# SPDX-License-Identifier: Apache-2.0
"""Tensors without MONAI's bookkeeping."""

from __future__ import annotations

from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """
    A MetaTensor as the tensor it holds (its bookkeeping makes small networks two to three times slower).

    Args:
        value: anything; what is no MetaTensor stays what it is.
    """
    return value.as_tensor() if hasattr(value, "as_tensor") else value
