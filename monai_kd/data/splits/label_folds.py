# SPDX-License-Identifier: Apache-2.0
"""Folds of the labelled images, so that a teacher can predict each image without having trained on it."""

from __future__ import annotations

from collections.abc import Sequence

from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import groups_of, shuffled
from monai_kd.data.splits.stratified import deal_stratified

__all__ = ["label_folds", "without_fold"]


def label_folds(records: Sequence[Record], folds: int, seed: int = 0) -> dict[str, int]:
    """
    Deal the labelled images into folds: whole patients, each pathology evenly.

    The folds depend only on the labelled images and the seed. So the training of a teacher without one fold
    (``BreastUltrasoundDataset(leave_out=(0, 3))``) and the training of the student use the same folds. Duplicates under
    different patients are not detected.

    Args:
        records: training images; those with ``has_label`` 0 are left out.
        folds: number of folds, at least 2.
        seed: another seed gives other folds.

    Returns:
        The fold, from 0, of each labelled image's id.

    Raises:
        ValueError: When ``folds`` is not a whole number from 2, or there are fewer patients.

    Example:
        >>> records = [{"id": str(i), "patient": str(i // 2), "has_label": int(i < 6)} for i in range(9)]
        >>> found = label_folds(records, folds=3)
        >>> sorted(found), len(set(found.values())), found["0"] == found["1"]
        (['0', '1', '2', '3', '4', '5'], 3, True)
    """
    if not isinstance(folds, int) or isinstance(folds, bool) or folds < 2:
        raise ValueError(f"{folds!r} folds of the labelled images: expected a whole number from 2, such as 3.")
    groups = groups_of([record for record in records if record.get("has_label", 1)])
    if len(groups) < folds:
        raise ValueError(
            f"{folds} folds of the labelled images need {folds} patients, but there are {len(groups)}. Give fewer "
            "folds, or more labels."
        )
    dealt = deal_stratified(shuffled(groups, seed, "label folds"), folds)
    return {str(record["id"]): fold for fold, part in enumerate(dealt) for group in part for record in group}


def without_fold(records: Sequence[Record], leave_out: Sequence[int], seed: int = 0) -> list[Record]:
    """
    The labelled images without one fold, in order.

    Args:
        leave_out: the fold, from 0, and the number of folds.
        seed: as in :func:`label_folds`.

    Raises:
        ValueError: When ``leave_out`` is not two such numbers, or there are fewer patients than folds.
    """
    if not isinstance(leave_out, Sequence) or isinstance(leave_out, str) or len(leave_out) != 2:
        raise ValueError(f"leave_out={leave_out!r}, expected a fold and the number of folds, such as [0, 3].")
    left_out, folds = leave_out
    fold_of = label_folds(records, folds, seed)
    if left_out not in range(folds):
        raise ValueError(f"leave_out={list(leave_out)}: no fold {left_out!r} of {folds}. Give 0 to {folds - 1}.")
    return [record for record in records if fold_of[str(record["id"])] != left_out]
