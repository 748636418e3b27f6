# SPDX-License-Identifier: Apache-2.0
"""What a study found, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from monai_kd.study.reporting.score_table import NO_GAP, common, gap_closed, mean_score, repeated
from monai_kd.study.results.scores import Scores

__all__ = ["verdict"]

LEVEL = 0.05  # of p, after Holm's correction


def verdict(scores: Mapping[str, Scores], teacher: str, student: str) -> str:
    """
    Whether a row is better than the student: the best one, its lead, and how sure that is.

    "Better" is a p below 0.05 if the study were repeated, after Holm's correction for all rows.

    Args:
        scores: of each row.
        teacher: the teacher's row, which is not judged.
        student: the row that all others are compared with.
    """
    found = {row: one for row, one in repeated(scores, student).items() if row != teacher}
    if not found:
        return f"No verdict: it needs a row beside {teacher} and {student}, in at least two finished splits or seeds."
    leads = {row: _lead(scores, row, student) for row in found}
    best = max(leads, key=lambda row: leads[row])
    better = [row for row, (_, p) in found.items() if p < LEVEL and leads[row] > 0]
    if better:
        best = max(better, key=lambda row: leads[row])
    spread, p = found[best]
    numbers = f"{100 * leads[best]:+.1f} points (95 % interval {100 * spread.low:+.1f} to {100 * spread.high:+.1f})"
    if not better:
        return f"No row is shown to be better than {student}. The highest is {best}: {numbers}, corrected p {p:.2g}."
    many = f"{len(better)} of {len(found)} rows are better than {student}. The best is {best}"
    start = f"{best} is better than {student}" if len(found) == 1 else many
    return f"{start}: {numbers}, corrected p {p:.2g}{_gap(scores, best, teacher, student)}."


def _lead(scores: Mapping[str, Scores], row: str, student: str) -> float:
    groups = common(scores, row, student)
    return mean_score(scores, row, groups) - mean_score(scores, student, groups)


def _gap(scores: Mapping[str, Scores], row: str, teacher: str, student: str) -> str:
    closed = gap_closed(scores, row, teacher, student)
    if closed == NO_GAP:
        return f"; {teacher} has no clear lead over {student}, so no share of it is given"
    return closed and f"; it closes {closed} of the gap to {teacher}"
