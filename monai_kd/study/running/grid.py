# SPDX-License-Identifier: Apache-2.0
"""Rows that differ in a few values only; the validation images choose among them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

__all__ = ["grid_points"]


def grid_points(name: str, grid: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """
    Every combination of a grid's values, each with a name.

    Raises:
        ValueError: When an id has no list, or a value occurs twice.

    Example:
        >>> grid_points("CWD", {"pathways#logits#weight": [1, 9]})
        [('CWD,weight=1', {'pathways#logits#weight': 1}), ('CWD,weight=9', {'pathways#logits#weight': 9})]
    """
    for key, values in grid.items():
        if not isinstance(values, list) or not values or len({str(value) for value in values}) < len(values):
            raise ValueError(f"row '{name}', grid: '{key}' must be a list of different values, got {values!r}.")
    last = {key: key.split("#")[-1] for key in grid}
    words = {key: word if list(last.values()).count(word) == 1 else key.replace("#", ".") for key, word in last.items()}
    return [
        (",".join([name, *(f"{words[key]}={value}" for key, value in zip(grid, values, strict=True))]), point)
        for values in itertools.product(*grid.values())
        for point in [dict(zip(grid, values, strict=True))]
        if grid
    ]
