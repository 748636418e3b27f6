# SPDX-License-Identifier: Apache-2.0
"""Scores of every model in groups of test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monai_kd.study.reporting.score_table import common
from monai_kd.study.results.image_groups import ImageGroup
from monai_kd.study.results.scores import SEGMENTATION, Scores, by_image
from monai_kd.study.results.statistics import compare, interval
from monai_kd.utils.tables import Table

__all__ = ["GroupScore", "difference_table", "group_scores", "group_tables", "long_table"]

GroupScores = Mapping[str, Mapping[ImageGroup, "GroupScore"]]
"""By model and group."""


@dataclass(frozen=True)
class GroupScore:
    """
    Of one model in one group; each image counts once.

    Args:
        images: how many were scored.
        mean: of the measure, between 0 and 1.
        low: of the mean's 95 % bootstrap interval; NaN for fewer than two images.
        high: of the same.
        missed: the share of lesions with a Dice of 0; NaN for a classifier.
    """

    images: int
    mean: float
    low: float
    high: float
    missed: float


def group_scores(scores: Mapping[str, Scores], groups: Sequence[ImageGroup]) -> dict[str, dict[ImageGroup, GroupScore]]:
    """
    Score every model in every group of which it was tested on an image.

    Args:
        scores: by row.
        groups: of images.

    Returns:
        By row and group.
    """
    found = {}
    for row, of_row in scores.items():
        values = by_image(of_row.values, of_row.values)
        missed = _missed(of_row) if of_row.measure == SEGMENTATION else dict.fromkeys(values, np.nan)
        tested = {group: sorted(group.images & values.keys()) for group in groups}
        found[row] = {
            group: _score(np.array([values[name] for name in names]), float(np.mean([missed[name] for name in names])))
            for group, names in tested.items()
            if names
        }
    return found


def _missed(scores: Scores) -> dict[str, float]:
    """The share of its runs in which an image's Dice is 0, by image."""
    zeros = {run: {name: float(dice == 0) for name, dice in of_run.items()} for run, of_run in scores.values.items()}
    return by_image(zeros, zeros)


def _score(values: npt.NDArray[np.float64], missed: float) -> GroupScore:
    low, high = interval(values) if len(values) > 1 else (np.nan, np.nan)
    return GroupScore(len(values), float(values.mean()), low, high, missed)


def group_tables(scores: GroupScores, groups: Sequence[ImageGroup], measure: str) -> list[Table]:
    """
    A table of the measure and, for segmentation, one of missed lesions: a line for each model, a column for each group.

    Args:
        scores: by model and group.
        groups: of images.
        measure: "Dice" or "Accuracy".

    Returns:
        The tables, in this order.
    """
    columns = ("model", *(f"{group.name} ({len(group.images)})" for group in groups))
    kinds = (
        "data set, pathology and lesion size"
        if any(group.kind == "data set" for group in groups)
        else "pathology and lesion size"
    )
    tables = [
        Table(
            f"{measure} (%) by {kinds}",
            columns,
            [[row, *(_cell(of_row.get(group), group) for group in groups)] for row, of_row in scores.items()],
            (
                "An image that is tested in several splits or seeds counts once, with its mean; the heading has their "
                "number. In brackets the 95 % percentile bootstrap interval of the mean, over images.",
                "Size is the lesion's share of the image's area, in thirds of these test images' own distribution. "
                "Size and pathology may go together: what is said of one may be due to the other.",
            ),
        )
    ]
    if measure == SEGMENTATION:
        tables.append(
            Table(
                "Missed lesions (%)",
                columns,
                [[row, *(_percent(of_row.get(group)) for group in groups)] for row, of_row in scores.items()],
                ("The share of lesions with a Dice of 0: nothing was predicted, or all of it elsewhere.",),
            )
        )
    return tables


def difference_table(scores: Mapping[str, Scores], groups: Sequence[ImageGroup], other: str) -> Table:
    """
    The mean difference of every model from one of them, image by image, in every group.

    Args:
        scores: by row.
        groups: of images.
        other: the row that the others are compared with.

    Returns:
        The table.
    """
    rows = []
    for row in scores:
        runs = common(scores, row, other)
        if row != other and runs:
            own, others = (by_image(scores[name].values, runs) for name in (row, other))
            rows.append([row, *(_difference(own, others, group) for group in groups)])
    notes = (
        "Paired over images, in points, with the 95 % bootstrap interval; over the runs that both have finished. "
        "Intervals are not corrected for so many comparisons: one of twenty leaves out 0 by chance.",
    )
    return Table(f"Difference from {other}", ("model", *(group.name for group in groups)), rows, notes)


def _difference(own: Mapping[str, float], others: Mapping[str, float], group: ImageGroup) -> str:
    result = compare({name: value for name, value in own.items() if name in group.images}, others)
    if result is None:
        return "–"
    return f"{100 * result.difference:+.1f} ({100 * result.low:+.1f} to {100 * result.high:+.1f})"


def long_table(scores: GroupScores, measure: str) -> Table:
    """
    The same for other programs: a line for each model and group, scores between 0 and 1.

    Args:
        scores: by model and group.
        measure: "Dice" or "Accuracy".

    Returns:
        The table, whose cells are empty where a number is undefined.
    """
    rows = [
        [row, group.kind, group.name, str(score.images)]
        + ["" if np.isnan(value) else f"{value:.6f}" for value in (score.mean, score.low, score.high, score.missed)]
        for row, of_row in scores.items()
        for group, score in of_row.items()
    ]
    columns = ("model", "kind", "group", "images", measure.lower(), "low", "high", "missed")
    return Table("Groups", columns, rows)


def _cell(score: GroupScore | None, group: ImageGroup) -> str:
    if score is None:
        return "–"
    spread = "" if np.isnan(score.low) else f" ({100 * score.low:.1f} to {100 * score.high:.1f})"
    fewer = "" if score.images == len(group.images) else f", {score.images} images"
    return f"{100 * score.mean:.1f}{spread}{fewer}"


def _percent(score: GroupScore | None) -> str:
    return "–" if score is None else f"{100 * score.missed:.1f}"
