# SPDX-License-Identifier: Apache-2.0
"""The two functions that ``monailabel.transform.post`` imports; only its ``DumpImagePrediction2Dd`` calls them."""

from __future__ import annotations

from typing import Any, NoReturn


def make_grid(*arguments: Any, **named: Any) -> NoReturn:
    """
    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("make_grid is torchvision's. Install a torchvision that fits this torch to use it.")


def save_image(*arguments: Any, **named: Any) -> NoReturn:
    """
    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("save_image is torchvision's. Install a torchvision that fits this torch to use it.")
