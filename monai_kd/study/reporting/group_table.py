# SPDX-License-Identifier: Apache-2.0
"""Scores of every model in groups of test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monai_kd.study.reporting.score_table import common
from monai_kd.study.results.hierarchical_bootstrap import over_trainings
from monai_kd.study.results.image_groups import ImageGroup
from monai_kd.study.results.scores import SEGMENTATION, Scores, by_image
from monai_kd.study.results.statistics import compare, interval
from monai_kd.utils.tables import Table

__all__ = ["GroupScore", "difference_table", "group_scores", "group_tables", "long_table"]

RunScores = Mapping[str, Mapping[str, float]]
"""Scores by run and image."""

GroupScores = Mapping[str, Mapping[ImageGroup, "GroupScore"]]
"""Scores by model and group."""


@dataclass(frozen=True)
class GroupScore:
    """
    The score of one model in one group; each image counts once.

    Args:
        images: number of images with a score.
        mean: of the measure, between 0 and 1.
        low: lower end of the mean's 95 % bootstrap interval; NaN for fewer than two images.
        high: upper end of the interval.
        missed: share of lesions with a Dice of 0; NaN for a classifier.
    """

    images: int
    mean: float
    low: float
    high: float
    missed: float


def group_scores(scores: Mapping[str, Scores], groups: Sequence[ImageGroup]) -> dict[str, dict[ImageGroup, GroupScore]]:
    """Score every model in every group that has an image on which the model was tested."""
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
    """For each image, the share of its runs in which Dice is 0."""
    zeros = {run: {name: float(dice == 0) for name, dice in of_run.items()} for run, of_run in scores.values.items()}
    return by_image(zeros, zeros)


def _score(values: npt.NDArray[np.float64], missed: float) -> GroupScore:
    low, high = interval(values) if len(values) > 1 else (np.nan, np.nan)
    return GroupScore(len(values), float(values.mean()), low, high, missed)


def group_tables(scores: GroupScores, groups: Sequence[ImageGroup], measure: str) -> list[Table]:
    """A table of the measure and, for segmentation, one of missed lesions: models are lines, groups are columns."""
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
                "Each image counts once, with its mean, even if several splits or seeds tested it. The heading gives "
                "the number of images. In brackets: the 95 % percentile bootstrap interval of the mean, over images.",
                "Lesion size is the lesion's share of the image's area; the terciles of these test images separate "
                "small, medium and large. Size and pathology may be correlated: one may explain the other's effect.",
            ),
        )
    ]
    if measure == SEGMENTATION:
        tables.append(
            Table(
                "Missed lesions (%)",
                columns,
                [[row, *(_percent(of_row.get(group)) for group in groups)] for row, of_row in scores.items()],
                ("The share of lesions with a Dice of 0: the model found nothing, or only pixels outside the lesion.",),
            )
        )
    return tables


def difference_table(scores: Mapping[str, Scores], groups: Sequence[ImageGroup], other: str) -> Table:
    """The mean paired difference of every model from ``other``, in every group."""
    rows = []
    for row in scores:
        runs = common(scores, row, other)
        if row != other and runs:
            own, others = (scores[name].values for name in (row, other))
            rows.append([row, *(_difference(own, others, runs, group) for group in groups)])
    notes = (
        "Mean of the paired differences over images, in percentage points. In brackets: its 95 % interval if the study "
        "were repeated with other splits, seeds and images (hierarchical bootstrap); over the images alone if there is "
        "one run, or a split without an image of the group. Only runs that both models have finished count. The "
        "intervals are not corrected for multiple comparisons: about one in twenty excludes 0 by chance.",
    )
    return Table(f"Difference from {other}", ("model", *(group.name for group in groups)), rows, notes)


def _difference(own: RunScores, others: RunScores, runs: Sequence[str], group: ImageGroup) -> str:
    own, others = (
        {run: {name: score for name, score in of[run].items() if name in group.images} for run in runs}
        for of in (own, others)
    )
    result = compare(by_image(own, runs), by_image(others, runs))
    if result is None:
        return "–"
    spread = over_trainings(own, others, runs) or result
    return f"{100 * result.difference:+.1f} ({100 * spread.low:+.1f} to {100 * spread.high:+.1f})"


def long_table(scores: GroupScores, measure: str) -> Table:
    """
    The group scores for other programs: a line for each model and group, scores between 0 and 1.

    An undefined number is an empty cell.
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
