# SPDX-License-Identifier: Apache-2.0
"""From groups of images to the parts of a split."""

from __future__ import annotations

from collections.abc import Sequence

from monai_kd.data.splits.groups import Group, Split, count, shuffled
from monai_kd.data.splits.stratified import take_stratified


def splits_of(folds: Sequence[list[Group]], validation_fraction: float, seed: int) -> list[Split]:
    """One split for each fold: the fold is the test part, the others are training and validation."""
    splits = []
    for index, test in enumerate(folds):
        rest = [group for fold in folds if fold is not test for group in fold]
        splits.append(split_of(test, rest, round(count(rest) * validation_fraction), seed, index))
    return splits


def split_of(test: list[Group], rest: list[Group], validation: int, seed: int, index: int) -> Split:
    """One split with ``validation`` images drawn from ``rest``; too few groups for three parts raise a ValueError."""
    if not test or len(rest) < 2:
        raise ValueError(
            f"Split {index} has {len(test)} patients for testing and {len(rest)} for training and validation, but "
            "needs at least 1 and 2. Add images, or make fewer folds."
        )
    drawn, training = take_stratified(shuffled(rest, seed, index, "validation"), validation, spare=1)
    parts = {"training": training, "validation": drawn, "test": test}
    return {part: sorted(record["id"] for group in groups for record in group) for part, groups in parts.items()}


def require_fraction(name: str, value: float) -> None:
    """Check that a fraction lies between 0 and 1; the ValueError names the argument."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}. Choose another number.")


def require_groups(groups: Sequence[Group], needed: int) -> None:
    """Check that there are enough patients to split; the ValueError says how many are needed."""
    if len(groups) < needed:
        raise ValueError(
            f"{count(groups)} images of {len(groups)} patients (duplicates count once) cannot be split into {needed} "
            f"parts. Add images, so that there are at least {needed} patients."
        )
