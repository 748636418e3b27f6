# SPDX-License-Identifier: Apache-2.0
"""From groups of images to the parts of a split."""

from __future__ import annotations

from collections.abc import Sequence

from monai_kd.data.splits.groups import Group, Split, count, shuffled
from monai_kd.data.splits.stratified import take_stratified


def splits_of(folds: Sequence[list[Group]], validation_fraction: float, seed: int) -> list[Split]:
    """Each fold as test part once, the others as training and validation part."""
    splits = []
    for index, test in enumerate(folds):
        rest = [group for fold in folds if fold is not test for group in fold]
        splits.append(split_of(test, rest, round(count(rest) * validation_fraction), seed, index))
    return splits


def split_of(test: list[Group], rest: list[Group], validation: int, seed: int, index: int) -> Split:
    """
    A split with so many validation images, drawn from ``rest``.

    Raises:
        ValueError: When there are too few groups for three parts.
    """
    if not test or len(rest) < 2:
        raise ValueError(
            f"Split {index} has {len(test)} patients for testing and {len(rest)} for training and validation, which "
            "need 1 and 2. Bring more images, or make fewer folds."
        )
    drawn, training = take_stratified(shuffled(rest, seed, index, "validation"), validation, spare=1)
    parts = {"training": training, "validation": drawn, "test": test}
    return {part: sorted(record["id"] for group in groups for record in group) for part, groups in parts.items()}


def require_fraction(name: str, value: float) -> None:
    """
    Check that a fraction lies between 0 and 1.

    Raises:
        ValueError: Naming it.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}.")


def require_groups(groups: Sequence[Group], needed: int) -> None:
    """
    Check that there are enough patients to split.

    Raises:
        ValueError: Saying how many are needed.
    """
    if len(groups) < needed:
        raise ValueError(
            f"{count(groups)} images of {len(groups)} patients (duplicates count once) cannot be split into {needed} "
            f"parts. Bring images of at least {needed} patients."
        )
