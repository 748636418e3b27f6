# SPDX-License-Identifier: Apache-2.0
"""Training, validation and test images; no patient and no duplicate image is ever in two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_kd.data.groups import Group, Split, count, groups_of, shuffled, strata
from monai_kd.data.layouts import find_dataset
from monai_kd.data.layouts.bus_bra import BusBra, read_official_folds
from monai_kd.data.records import Record, first_few
from monai_kd.data.selection import take

TRAIN_FRACTION = 130 / 163
VALIDATION_FRACTION = 0.15


def random_splits(
    records: Sequence[Record],
    number: int = 3,
    train_fraction: float = TRAIN_FRACTION,
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
    content: Mapping[str, str] | None = None,
) -> list[Split]:
    """Random splits, stratified by pathology; the default is the paper's three of 130 training and 33 test images.

    The validation images are taken out of the training images, the test images stay as they are. Split ``i`` depends
    on ``seed`` and ``i`` alone, not on ``number`` or the order of ``records``.

    Args:
        records: the records, as ``read_dataset`` gives them.
        number: how many splits.
        train_fraction: training and validation images by all images, between 0 and 1.
        validation_fraction: validation images by training and validation images, between 0 and 1.
        seed: another seed, other splits.
        content: each id's hash, from ``check_dataset``; without it duplicates are not seen.

    Raises:
        ValueError: when a fraction is not between 0 and 1, or there are fewer than three groups of images.

    Example:
        >>> records = [{"id": f"{i:03}", "patient": str(i), "pathology": "benign"} for i in range(163)]
        >>> {part: len(ids) for part, ids in random_splits(records)[0].items()}
        {'training': 110, 'validation': 20, 'test': 33}
    """
    _require_fraction("train_fraction", train_fraction)
    _require_fraction("validation_fraction", validation_fraction)
    groups = groups_of(records, content)
    _require_groups(groups, 3)
    splits = []
    for index in range(number):
        test, rest = take(shuffled(groups, seed, index), round(len(records) * (1 - train_fraction)), spare=2)
        splits.append(_split(test, rest, validation_fraction, seed, index))
    return splits


def k_folds(
    records: Sequence[Record],
    k: int = 5,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
    content: Mapping[str, str] | None = None,
) -> list[Split]:
    """K-fold cross-validation, stratified by pathology: each image is a test image once.

    Args:
        records: the records, as ``read_dataset`` gives them.
        k: how many folds, at least 2.
        seed: another seed, other folds.
        validation_fraction: validation images by training and validation images, between 0 and 1.
        content: each id's hash, from ``check_dataset``; without it duplicates are not seen.

    Raises:
        ValueError: when ``k`` is below 2 or there are too few groups of images.

    Example:
        >>> records = [{"id": str(i), "patient": str(i), "pathology": "benign"} for i in range(10)]
        >>> [len(split["test"]) for split in k_folds(records, k=5)]
        [2, 2, 2, 2, 2]
    """
    if k < 2:
        raise ValueError(f"Cross-validation needs k of at least 2, got {k}.")
    _require_fraction("validation_fraction", validation_fraction)
    groups = groups_of(records, content)
    _require_groups(groups, max(k, 3))
    folds: list[list[Group]] = [[] for _ in range(k)]
    for stratum in strata(shuffled(groups, seed, "folds")):
        of_stratum = [0] * k
        for group in sorted(stratum, key=len, reverse=True):
            fold = min(range(k), key=lambda i: (of_stratum[i], count(folds[i])))
            folds[fold].append(group)
            of_stratum[fold] += len(group)
    return _splits_of(folds, validation_fraction, seed)


def official_folds(
    records: Sequence[Record],
    root: str | Path,
    k: int = 5,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
    content: Mapping[str, str] | None = None,
) -> list[Split]:
    """BUS-BRA's own folds: fold ``i`` of the publisher is the test part of split ``i``.

    The validation part is drawn by patient from the other folds, because the published one shares patients with
    the training part.

    Args:
        records: BUS-BRA's records.
        root: BUS-BRA's folder, or one above it.
        k: 5 or 10.
        seed: for the validation part.
        validation_fraction: validation images by training and validation images, between 0 and 1.
        content: each id's hash, from ``check_dataset``.

    Raises:
        ValueError: when an image is in no official fold, or the folds leak.
    """
    _require_fraction("validation_fraction", validation_fraction)
    fold_of = read_official_folds(find_dataset(root, BusBra())[1], k)
    absent = [record["id"] for record in records if record["id"] not in fold_of]
    if absent:
        raise ValueError(f"{len(absent)} images are in no official fold: {first_few(absent)}. Use k_folds() instead.")
    folds: list[list[Group]] = [[] for _ in range(k)]
    for group in groups_of(records, content):
        numbers = {fold_of[record["id"]]: record["id"] for record in group}
        if len(numbers) > 1:
            listed = " and ".join(f"{key} (fold {fold})" for fold, key in sorted(numbers.items()))
            raise ValueError(f"{listed} share a patient or their pixels. Use k_folds(), which keeps them together.")
        folds[min(numbers) - 1].append(group)
    return _splits_of(folds, validation_fraction, seed)


def _splits_of(folds: Sequence[list[Group]], validation_fraction: float, seed: int) -> list[Split]:
    """Each fold as test part once, the others as training and validation part."""
    splits = []
    for index, test in enumerate(folds):
        rest = [group for fold in folds if fold is not test for group in fold]
        splits.append(_split(test, rest, validation_fraction, seed, index))
    return splits


def _split(test: list[Group], rest: list[Group], validation_fraction: float, seed: int, index: int) -> Split:
    if not test or len(rest) < 2:
        raise ValueError(
            f"Split {index} has {len(test)} patients for testing and {len(rest)} for training and validation, which "
            "need 1 and 2. Bring more images, or make fewer folds."
        )
    order = shuffled(rest, seed, index, "validation")
    validation, training = take(order, round(count(rest) * validation_fraction), spare=1)
    parts = {"training": training, "validation": validation, "test": test}
    return {part: sorted(record["id"] for group in groups for record in group) for part, groups in parts.items()}


def _require_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}.")


def _require_groups(groups: Sequence[Group], needed: int) -> None:
    if len(groups) < needed:
        raise ValueError(
            f"{count(groups)} images of {len(groups)} patients (duplicates count once) cannot be split into {needed} "
            f"parts. Bring images of at least {needed} patients."
        )
