# SPDX-License-Identifier: Apache-2.0
"""Where nnU-Net keeps the splits of its folds."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["FILE", "find_splits"]

FILE = "splits_final.json"
VARIABLE = "nnUNet_preprocessed"  # as nnU-Net spells it


def find_splits(root: Path, dataset: str, dataset_dir: Path) -> Path:
    """
    The file of the splits that a training used.

    Args:
        root: the result of the training.
        dataset: its name, "Dataset501_Liver" for instance.
        dataset_dir: the raw data.

    Raises:
        FileNotFoundError: When it lies in none of the usual places.
    """
    given = os.environ.get(VARIABLE)
    beside = [root.resolve().parent.parent.parent, dataset_dir.resolve().parent.parent]
    folders = [Path(given)] if given else []
    folders += [folder / "nnUNet_preprocessed" for folder in beside]
    places = [*(folder / dataset / FILE for folder in folders), root / FILE, dataset_dir / FILE]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place.parent) for place in dict.fromkeys(places))
    raise FileNotFoundError(
        f"No {FILE} of nnU-Net's folds in {looked}. It lies in nnUNet_preprocessed/{dataset}: set nnUNet_preprocessed, "
        f"or copy the file into '{root}'."
    )
