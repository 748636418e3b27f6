# SPDX-License-Identifier: Apache-2.0
"""Splits into training, validation and test images; no patient and no duplicate image is in two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_kd.data.layouts import find_dataset
from monai_kd.data.layouts.bus_bra import BusBra, read_official_folds
from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import Group, Split, count, groups_of, shuffled
from monai_kd.data.splits.split_from_groups import require_fraction, require_groups, split_of, splits_of
from monai_kd.data.splits.stratified import deal_stratified, take_stratified
from monai_kd.utils.messages import first_few

TRAIN_FRACTION = 130 / 163
VALIDATION_FRACTION = 0.15


def random_splits(
    records: Sequence[Record],
    splits: int = 3,
    train_fraction: float = TRAIN_FRACTION,
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
    content: Mapping[str, str] | None = None,
) -> list[Split]:
    """
    Random splits, stratified by pathology. By default there are three of 130 training and 33 test images, as in the
    paper.

    The validation images are drawn from the training images. Split ``i`` depends only on ``seed`` and ``i``, not on
    ``splits`` or the order of ``records``.

    Args:
        records: as ``read_dataset`` gives them.
        splits: how many splits, from 1.
        train_fraction: share of all images used for training and validation, between 0 and 1.
        validation_fraction: share of these used for validation, between 0 and 1.
        seed: another seed gives other splits.
        content: each id's hash, from ``check_dataset``. Defaults to None: duplicates are not detected.

    Returns:
        For each split the ids of ``"training"``, ``"validation"`` and ``"test"``.

    Raises:
        ValueError: When a fraction is not between 0 and 1, or there are fewer than three groups of images.

    Example:
        >>> records = [{"id": f"{i:03}", "patient": str(i), "pathology": "benign"} for i in range(163)]
        >>> {part: len(ids) for part, ids in random_splits(records)[0].items()}
        {'training': 110, 'validation': 20, 'test': 33}
    """
    require_fraction("train_fraction", train_fraction)
    require_fraction("validation_fraction", validation_fraction)
    groups = groups_of(records, content)
    require_groups(groups, 3)
    drawn = []
    for index in range(splits):
        test, rest = take_stratified(shuffled(groups, seed, index), round(len(records) * (1 - train_fraction)), spare=2)
        drawn.append(split_of(test, rest, round(count(rest) * validation_fraction), seed, index))
    return drawn


def hold_out(
    records: Sequence[Record],
    validation_fraction: float = VALIDATION_FRACTION,
    test_fraction: float = 0.15,
    seed: int = 0,
    content: Mapping[str, str] | None = None,
) -> list[Split]:
    """
    One random split, stratified by pathology, with validation and test parts as fractions of all images.

    Args:
        records: as ``read_dataset`` gives them.
        validation_fraction: share of all images used for validation, between 0 and 1.
        test_fraction: share of all images used for testing, between 0 and 1; the rest are training images.
        seed: another seed gives another split.
        content: each id's hash, from ``check_dataset``. Defaults to None: duplicates are not detected.

    Returns:
        A list of one split, for ``write_splits``.

    Raises:
        ValueError: When a fraction is not between 0 and 1, both leave no training images, or there are fewer than three
            groups of images.

    Example:
        >>> records = [{"id": f"{i:03}", "patient": str(i), "pathology": "benign"} for i in range(100)]
        >>> {part: len(ids) for part, ids in hold_out(records)[0].items()}
        {'training': 70, 'validation': 15, 'test': 15}
    """
    require_fraction("validation_fraction", validation_fraction)
    require_fraction("test_fraction", test_fraction)
    if validation_fraction + test_fraction >= 1:
        raise ValueError(
            f"validation_fraction {validation_fraction:g} and test_fraction {test_fraction:g} leave nothing to train "
            "with. Choose fractions that add up to less than 1."
        )
    groups = groups_of(records, content)
    require_groups(groups, 3)
    test, rest = take_stratified(shuffled(groups, seed, "hold-out"), round(len(records) * test_fraction), spare=2)
    return [split_of(test, rest, round(len(records) * validation_fraction), seed, 0)]


def k_folds(
    records: Sequence[Record],
    k: int = 5,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
    content: Mapping[str, str] | None = None,
) -> list[Split]:
    """
    K-fold cross-validation, stratified by pathology: each image is a test image once.

    Args:
        records: as ``read_dataset`` gives them.
        k: number of folds, at least 2.
        seed: another seed gives other folds.
        validation_fraction: share of the remaining images used for validation, between 0 and 1.
        content: each id's hash, from ``check_dataset``. Defaults to None: duplicates are not detected.

    Returns:
        For each fold the ids of ``"training"``, ``"validation"`` and ``"test"``.

    Raises:
        ValueError: When ``k`` is below 2, or there are too few groups of images.

    Example:
        >>> records = [{"id": str(i), "patient": str(i), "pathology": "benign"} for i in range(10)]
        >>> [len(split["test"]) for split in k_folds(records, k=5)]
        [2, 2, 2, 2, 2]
    """
    if k < 2:
        raise ValueError(f"k (folds) must be at least 2, got {k}. Choose another number.")
    require_fraction("validation_fraction", validation_fraction)
    groups = groups_of(records, content)
    require_groups(groups, max(k, 3))
    return splits_of(deal_stratified(shuffled(groups, seed, "folds"), k), validation_fraction, seed)


def official_folds(
    records: Sequence[Record],
    root: str | Path,
    k: int = 5,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
    content: Mapping[str, str] | None = None,
) -> list[Split]:
    """
    BUS-BRA's published folds: fold ``i`` is the test part of split ``i``.

    The validation part is drawn by patient from the other folds, because the published validation part shares patients
    with the training part.

    Args:
        records: BUS-BRA's records.
        root: BUS-BRA's folder, or a folder above it.
        k: 5 or 10.
        seed: of the validation part.
        validation_fraction: share of the other folds used for validation, between 0 and 1.
        content: each id's hash, from ``check_dataset``. Defaults to None: duplicates are not detected.

    Returns:
        For each fold the ids of ``"training"``, ``"validation"`` and ``"test"``.

    Raises:
        FileNotFoundError: When BUS-BRA's table of folds does not exist.
        ValueError: When an image is in no official fold, or the folds leak.

    Example:
        >>> from pathlib import Path; from tempfile import TemporaryDirectory
        >>> records = [{"id": str(i), "patient": str(i), "pathology": "benign"} for i in range(10)]
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("Images", "Masks"):
        ...         Path(folder, name).mkdir()
        ...     _ = Path(folder, "bus_data.csv").write_text("ID,Case,Pathology\\n")
        ...     rows = [f"{i},{1 + i % 5}" for i in range(10)]
        ...     _ = Path(folder, "5-fold-cv.csv").write_text("\\n".join(["ID,kFold", *rows]))
        ...     official_folds(records, folder, k=5)[0]["test"]
        ['0', '5']
    """
    require_fraction("validation_fraction", validation_fraction)
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
    return splits_of(folds, validation_fraction, seed)
