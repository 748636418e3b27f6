# SPDX-License-Identifier: Apache-2.0
"""What a study found, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from monai_kd.study.reporting.metrics_table import auc_differences
from monai_kd.study.reporting.score_table import NO_GAP, common, gap_closed, mean_score, repeated
from monai_kd.study.results.hierarchical_bootstrap import Repeated
from monai_kd.study.results.scores import Scores

__all__ = ["verdict"]

LEVEL = 0.05  # of p, after Holm's correction


class _Lead(NamedTuple):
    """Of a row over the student: the difference, the same if the study were repeated, and the corrected p of that."""

    mean: float
    repeated: Repeated
    p: float


def verdict(scores: Mapping[str, Scores], teacher: str, student: str) -> str:
    """
    Whether a row is better than the student: the best one, its lead, and how sure that is.

    "Better" is a p below 0.05 if the study were repeated, after Holm's correction for all rows. Segmentation is judged
    by Dice, and classifiers of two classes by ROC AUC.

    Args:
        scores: of each row.
        teacher: the teacher's row, which is not judged.
        student: the row that all others are compared with.
    """
    of_aucs = _of_aucs(scores, student)
    leads = of_aucs or _of_means(scores, student)
    judged = {row: lead for row, lead in leads.items() if row != teacher}
    if not judged:
        return f"No verdict: it needs a row beside {teacher} and {student}, in at least two finished splits or seeds."
    better = {row: lead for row, lead in judged.items() if lead.p < LEVEL and lead.mean > 0}
    best = max(better or judged, key=lambda row: judged[row].mean)
    numbers = f"{(_auc if of_aucs else _points)(judged[best])}, corrected p {judged[best].p:.2g}"
    if not better:
        return f"No row is shown to be better than {student}. The highest is {best}: {numbers}."
    many = f"{len(better)} of {len(judged)} rows are better than {student}. The best is {best}"
    start = f"{best} is better than {student}" if len(judged) == 1 else many
    closed = _auc_gap(leads, best, teacher) if of_aucs else gap_closed(scores, best, teacher, student)
    return f"{start}: {numbers}{_gap(closed, teacher, student)}."


def _of_means(scores: Mapping[str, Scores], student: str) -> dict[str, _Lead]:
    return {row: _Lead(_lead(scores, row, student), *found) for row, found in repeated(scores, student).items()}


def _of_aucs(scores: Mapping[str, Scores], student: str) -> dict[str, _Lead]:
    return {
        row: _Lead(found.mean, found.repeated, p)
        for row, (found, p) in auc_differences(scores, student).items()
        if found.repeated is not None and p is not None
    }


def _points(lead: _Lead) -> str:
    mean, low, high = (100 * value for value in (lead.mean, lead.repeated.low, lead.repeated.high))
    return f"{mean:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"


def _auc(lead: _Lead) -> str:
    return f"{lead.mean:+.3f} in ROC AUC (95 % interval {lead.repeated.low:+.3f} to {lead.repeated.high:+.3f})"


def _lead(scores: Mapping[str, Scores], row: str, student: str) -> float:
    groups = common(scores, row, student)
    return mean_score(scores, row, groups) - mean_score(scores, student, groups)


def _auc_gap(leads: Mapping[str, _Lead], row: str, teacher: str) -> str:
    if teacher not in leads:
        return ""
    lead = leads[teacher]
    return NO_GAP if lead.repeated.low <= 0 else f"{100 * leads[row].mean / lead.mean:.0f} %"


def _gap(closed: str, teacher: str, student: str) -> str:
    if closed == NO_GAP:
        return f"; {teacher} has no clear lead over {student}, so no share of it is given"
    return closed and f"; it closes {closed} of the gap to {teacher}"
