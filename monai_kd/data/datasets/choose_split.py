# SPDX-License-Identifier: Apache-2.0
"""From a data set's folder to one split of its images, in one call for a bundle's config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_kd.data.image_files.load_ultrasound import loading_of
from monai_kd.data.inspection.check_dataset import check_dataset
from monai_kd.data.layouts import read_dataset
from monai_kd.data.records.listed_pairs import given_records
from monai_kd.data.records.record import Layout
from monai_kd.data.records.several_folders import Folders
from monai_kd.data.splits.groups import Split
from monai_kd.data.splits.make_splits import random_splits
from monai_kd.data.splits.split_files import read_splits


def choose_split(
    dataset_dir: Folders,
    layout: str | Layout | None = None,
    split_file: str | Path | None = None,
    fold: int = 0,
    seed: int = 0,
    check: bool = True,
    given: Mapping[str, Sequence[Mapping[str, Any]] | None] | None = None,
    transform: Any = None,
) -> Split:
    """
    Read a data set, check every image and mask, and give the ids of each part of one split.

    Args:
        dataset_dir: the data set's folder, or a folder above it; or a list of several.
        layout: as in ``read_dataset``. Defaults to None: recognize it from the folder.
        split_file: a file of ``write_splits``. Defaults to None: the paper's random splits.
        fold: which split, from 0.
        seed: for random splits.
        check: load every image and mask first, and keep duplicates and near duplicates in one part. If False, bad files
            appear during training, and duplicates are not detected.
        given: lists of images and masks that replace parts of the split; None for a part uses the folder. With both
            training and validation, no folder is needed. The lists are not checked.
        transform: the pipeline that will load the images; the check uses the keys and arguments of its
            ``LoadUltrasoundd``. Defaults to None: images and masks of any kind.

    Returns:
        The ids of ``"training"``, ``"validation"`` and ``"test"``.

    Raises:
        FileNotFoundError: When the folder, an image or the split file is missing.
        ValueError: When data set, images or split file are unusable, or there is no such fold.

    Example:
        >>> import numpy as np; from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("images", "labels"):
        ...         Path(folder, name).mkdir()
        ...     for i in range(5):
        ...         Image.fromarray(np.full((8, 8), i, dtype=np.uint8)).save(Path(folder, "images", f"{i}.png"))
        ...         Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(Path(folder, "labels", f"{i}.png"))
        ...     {part: len(ids) for part, ids in choose_split(folder).items()}
        {'training': 3, 'validation': 1, 'test': 1}
    """
    lists = {part: given_records(data, part) for part, data in (given or {}).items() if data is not None}
    known = {part: [str(record["id"]) for record in records] for part, records in lists.items()}
    if {"training", "validation"} <= set(known):
        return {"test": [], **known}
    return {**_of_folder(dataset_dir, layout, split_file, fold, seed, check, transform), **known}


def _of_folder(
    dataset_dir: Folders,
    layout: str | Layout | None,
    split_file: str | Path | None,
    fold: int,
    seed: int,
    check: bool,
    transform: Any,
) -> Split:
    records = read_dataset(dataset_dir, layout)
    content = check_dataset(records, near_duplicates=True, load=loading_of(transform)) if check else None
    if split_file is None:
        if fold < 0:
            raise ValueError(f"fold counts from 0, got {fold}. Choose another number.")
        return random_splits(records, splits=fold + 1, seed=seed, content=content)[fold]
    splits = read_splits(split_file, records, content)
    if not 0 <= fold < len(splits):
        raise ValueError(f"{split_file} holds splits 0 to {len(splits) - 1}, got fold {fold}. Choose one of these.")
    return splits[fold]
