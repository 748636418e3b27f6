# SPDX-License-Identifier: Apache-2.0
"""Stubs of the functions that ``monailabel.transform.post`` imports; only its ``DumpImagePrediction2Dd`` calls them."""

from __future__ import annotations

from typing import Any


def _not_installed(*arguments: Any, **named: Any) -> None:
    message = "torchvision is not installed, and this picture for debugging needs it."
    raise ImportError(f"{message} Install one that fits this torch.")


make_grid = save_image = _not_installed
