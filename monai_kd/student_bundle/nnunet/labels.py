# SPDX-License-Identifier: Apache-2.0
"""The classes of an nnU-Net data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["read_classes"]


def read_classes(dataset: Mapping[str, Any], file: Path) -> dict[int, str]:
    """
    Names of the classes by their number.

    Args:
        dataset: the content of dataset.json.
        file: its path, for messages.

    Raises:
        ValueError: When there are regions or an ignore label, or the numbers are not 0, 1, 2 ….

    Example:
        >>> read_classes({"labels": {"background": 0, "spleen": 1}}, Path("dataset.json"))
        {0: 'background', 1: 'spleen'}
    """
    labels = dataset.get("labels")
    if not isinstance(labels, Mapping) or "background" not in labels:
        raise ValueError(f"'{file}' has no 'labels' with a 'background'. Copy it again from the training.")
    regions = [name for name, value in labels.items() if isinstance(value, list | tuple)]
    if regions:
        raise ValueError(
            f"'{file}' has regions, which overlap ({', '.join(regions)}), and a student learns classes, of which each "
            "pixel has one. Train nnU-Net with one number for each label."
        )
    if "ignore" in labels:
        raise ValueError(
            f"'{file}' has the label 'ignore' ({labels['ignore']}), for pixels that nobody annotated. The student's "
            "loss takes every pixel. Train nnU-Net on cases that are annotated whole."
        )
    names = {int(value): str(name) for name, value in labels.items()}
    if sorted(names) != list(range(len(labels))):
        raise ValueError(
            f"'{file}' has the label numbers {sorted(int(value) for value in labels.values())}. nnU-Net's numbers are "
            "0, 1, 2 … without gaps."
        )
    return dict(sorted(names.items()))
