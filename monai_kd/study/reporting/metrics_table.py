# SPDX-License-Identifier: Apache-2.0
"""Metrics beside the study's main score: of all test images together, or the mean over the images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monai_kd.study.results.roc_auc import AucDifference, auc_difference
from monai_kd.study.results.scores import Scores
from monai_kd.study.results.statistics import holm
from monai_kd.utils.tables import Table

__all__ = ["auc_differences", "metrics_table"]

AUC_COLUMNS = ("roc_auc − {student}", "if repeated, 95 %", "p if repeated")
NOTE = "Mean ± standard deviation over the runs (splits and seeds) in which the metric is defined."
AUC_NOTE = (
    "roc_auc − {student}: mean difference over the runs. If repeated: its 95 % interval and p value if the study were "
    "repeated with other splits, seeds and images (hierarchical bootstrap). In brackets: p after Holm's correction."
)


def metrics_table(scores: Mapping[str, Scores], student: str) -> Table | None:
    """
    The mean and standard deviation of every such metric over the runs of each row.

    Classifiers also have the difference of their ROC AUC from the student's.

    Returns:
        None if no row has such a metric.
    """
    names = list(dict.fromkeys(name for of_row in scores.values() for name in of_row.whole))
    if not names:
        return None
    against = {row: _cells(*found) for row, found in auc_differences(scores, student).items()}
    rows = [
        [row, *(_mean(list(of_row.whole.get(name, {}).values())) for name in names)]
        + (against.get(row, ["–"] * len(AUC_COLUMNS)) if against else [])
        for row, of_row in scores.items()
    ]
    columns = [column.format(student=student) for column in AUC_COLUMNS] if against else []
    notes = (NOTE, AUC_NOTE.format(student=student)) if against else (NOTE,)
    return Table("Metrics of all test images", ["model", *names, *columns], rows, notes)


def auc_differences(scores: Mapping[str, Scores], student: str) -> dict[str, tuple[AucDifference, float | None]]:
    """
    How much higher each classifier's ROC AUC is than the student's; and p after Holm's correction, if there is a p.

    Args:
        scores: of each row; rows that are no classifiers of two classes are left out.
        student: the row that all others are compared with.
    """
    found: dict[str, AucDifference] = {}
    for row, of_row in scores.items():
        if row != student and student in scores:
            other = scores[student].answers
            result = auc_difference(of_row.answers, other, sorted(set(of_row.answers) & set(other)))
            if result is not None:
                found[row] = result
    tested = {row: result.repeated for row, result in found.items() if result.repeated is not None}
    corrected = dict(zip(tested, holm([result.p for result in tested.values()]), strict=True))
    return {row: (result, corrected.get(row)) for row, result in found.items()}


def _cells(difference: AucDifference, corrected: float | None) -> list[str]:
    """Of ``AUC_COLUMNS``."""
    mean, again = f"{difference.mean:+.3f}", difference.repeated
    if again is None:
        return [mean, "–", "–"]
    return [mean, f"{again.low:+.3f} to {again.high:+.3f}", f"{again.p:.4f} ({corrected:.4f})"]


def _mean(values: list[float]) -> str:
    defined = [value for value in values if np.isfinite(value)]
    if not defined:
        return "–"
    spread = f" ± {np.std(defined, ddof=1):.3f}" if len(defined) > 1 else ""
    return f"{np.mean(defined):.3f}{spread}"
