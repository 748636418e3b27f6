# SPDX-License-Identifier: Apache-2.0
"""Splits in which only some training images keep their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import POOL, Split, count, groups_of, shuffled
from monai_kd.data.splits.stratified import take_stratified

__all__ = ["keep_labels", "keep_labels_of"]


def keep_labels(
    split: Mapping[str, Sequence[str]],
    records: Sequence[Record],
    labels: int | float,
    seed: int = 0,
    content: Mapping[str, str] | None = None,
) -> Split:
    """
    Draw the training images that keep their labels; the others become the part ``"unlabelled"``.

    Whole patients are drawn, in proportion from each pathology. Validation and test images do not change.

    Args:
        split: the ids of each part.
        records: as ``read_dataset`` gives them.
        labels: the number of training images that keep their labels (an int from 1), or a fraction of them (a float up
            to 1.0). If whole patients do not add up to this number, fewer are drawn.
        seed: another seed draws other images.
        content: each id's hash, from ``check_dataset``. Defaults to None: duplicates are not detected.

    Returns:
        The split with the part ``"unlabelled"``, which includes the images that ``split`` already has there.

    Raises:
        ValueError: When ``labels`` is out of range, or exceeds the number of training images.

    Example:
        >>> records = [{"id": str(i), "patient": str(i), "pathology": "benign"} for i in range(6)]
        >>> split = {"training": ["0", "1", "2", "3"], "validation": ["4"], "test": ["5"]}
        >>> {part: len(ids) for part, ids in keep_labels(split, records, labels=1).items()}
        {'training': 1, 'validation': 1, 'test': 1, 'unlabelled': 3}
    """
    ids = set(split["training"])
    wanted = _number(labels, len(ids))
    groups = shuffled(groups_of([record for record in records if record["id"] in ids], content), seed, "labels")
    taken = groups if wanted == len(ids) else take_stratified(groups, wanted, spare=0)[0]
    if count(taken) > wanted:
        raise ValueError(
            f"labels={labels}: every patient of the training images has more images; the smallest number is "
            f"{count(taken)}. Give labels={count(taken)} or more."
        )
    kept = {record["id"] for group in taken for record in group}
    return {
        **{part: list(keys) for part, keys in split.items()},
        "training": [key for key in split["training"] if key in kept],
        POOL: [*split.get(POOL, ()), *(key for key in split["training"] if key not in kept)],
    }


def keep_labels_of(split: Mapping[str, Sequence[str]], records: Sequence[Record], dataset: str) -> Split:
    """
    Keep the training labels of one data set among several: the labels of one scanner, for the images of others.

    Args:
        split: the ids of each part.
        records: as ``read_dataset`` gives them for a list of folders.
        dataset: name of the folder that keeps its labels.

    Returns:
        The split, with the other data sets' training images in the part ``"unlabelled"``.

    Raises:
        ValueError: When there is no such data set, or it has no training image.

    Example:
        >>> records = [{"id": f"{name}_{i}", "dataset": name} for name in "ab" for i in range(2)]
        >>> keep_labels_of({"training": ["a_0", "b_0"], "validation": ["a_1"], "test": ["b_1"]}, records, "a")
        {'training': ['a_0'], 'validation': ['a_1'], 'test': ['b_1'], 'unlabelled': ['b_0']}
    """
    of = {record["id"]: str(record.get("dataset", "")) for record in records}
    names = sorted(set(of.values()) - {""})
    if dataset not in names:
        there = f"Known: {', '.join(names)}" if names else "There is only one data set"
        raise ValueError(f"No data set '{dataset}' whose labels to keep. {there}.")
    kept = [key for key in split["training"] if of[key] == dataset]
    if not kept:
        raise ValueError(f"No training image of this split is from '{dataset}'. Choose another split.")
    others = [key for key in split["training"] if of[key] != dataset]
    return {
        **{part: list(keys) for part, keys in split.items()},
        "training": kept,
        POOL: [*split.get(POOL, ()), *others],
    }


def _number(labels: int | float, images: int) -> int:
    is_number = isinstance(labels, (int, float)) and not isinstance(labels, bool)
    if not is_number or not (labels >= 1 if isinstance(labels, int) else 0 < labels <= 1):
        raise ValueError(
            f"labels={labels!r}: expected a number of training images from 1, or a fraction of them above 0.0 and up "
            "to 1.0."
        )
    wanted = labels if isinstance(labels, int) else max(1, round(labels * images))
    if wanted > images:
        raise ValueError(
            f"labels={labels}, but there are {images} training images. Give at most {images}, or omit labels."
        )
    return wanted
