# SPDX-License-Identifier: Apache-2.0
"""The study's main table, like the paper's Table 4."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

import numpy as np

from monai_kd.study.results.hierarchical_bootstrap import Repeated, over_trainings
from monai_kd.study.results.scores import Scores, by_image, pooled
from monai_kd.study.results.statistics import Comparison, compare, holm, interval, share_recovered
from monai_kd.utils.tables import Table

__all__ = ["NO_GAP", "common", "gap_closed", "mean_score", "repeated", "score_table"]

COLUMNS = (
    "model", "{measure} (%)", "95 % interval", "splits", "difference from {student}", "95 % interval of it",
    "gap recovered", "t-test, {teacher}", "Wilcoxon, {teacher}", "t-test, {student}", "Wilcoxon, {student}",
)  # fmt: skip
NO_GAP, CLEAR = "no gap", 0.01  # a lead below one point is none
REPEATED = ("difference if repeated, 95 %", "p if repeated")
REPEATED_NOTE = (
    "If repeated: the 95 % interval and p value of the difference from {student} if the study were repeated with other "
    "splits, seeds and images (hierarchical bootstrap). In brackets: p after Holm's correction."
)
HD95_NOTE = (
    "HD95: mean over the images where it is defined, in image pixels. In brackets: the number of images where it is "
    "undefined, because the truth or the prediction has no lesion."
)


def score_table(scores: Mapping[str, Scores], teacher: str, student: str) -> Table:
    """The measure of every row, its comparisons with teacher and student, and HD95 if the runs have it."""
    measure = next(iter(scores.values())).measure
    against = {name: _comparisons(scores, name) for name in (teacher, student)}
    has_hd95 = any(of_row.hd95 for of_row in scores.values())
    again = {row: _repeated(*result) for row, result in repeated(scores, student).items()}
    rows = [
        [row, *_mean(scores[row]), *_change(scores, row, against[student].get(row), teacher, student)]
        + [cell for name in (teacher, student) for cell in _tests(against[name], row)]
        + ([_hd95(scores[row])] if has_hd95 else [])
        + (again.get(row, ["–", "–"]) if again else [])
        for row in scores
    ]
    return Table(
        f"{measure} of every model",
        [column.format(teacher=teacher, student=student, measure=measure) for column in COLUMNS]
        + (["HD95"] if has_hd95 else [])
        + (list(REPEATED) if again else []),
        rows,
        (
            f"{measure}: mean ± standard deviation over the test images of all splits and seeds, as Behboodi et al. "
            'report it. "splits": standard deviation of the means of the splits and seeds; in brackets, their number.',
            "Intervals and tests: each image counts once, with its mean, even if several splits or seeds tested it. "
            "Intervals are percentile bootstrap over images. The tests are paired and two-sided; the table gives p, "
            f"and in brackets p after Holm's correction for all comparisons with {teacher}, or with {student}, by the "
            "same test. The tests compare these trained models on other images. They say nothing about another "
            "training.",
            f"Gap recovered: (model − {student}) / ({teacher} − {student}), computed from the means over the images of "
            f"the runs that all three have finished. '{NO_GAP}': the 95 % interval of {teacher}'s lead over {student} "
            "includes 0, or the lead is below one point.",
        )
        + ((HD95_NOTE,) if has_hd95 else ())
        + ((REPEATED_NOTE.format(student=student),) if again else ()),
    )


def common(scores: Mapping[str, Scores], *rows: str) -> list[str]:
    """The groups that all of the given rows have finished."""
    found = [set(scores[row].values) if row in scores else set() for row in rows]
    return sorted(set.intersection(*found))


def mean_score(scores: Mapping[str, Scores], row: str, groups: list[str]) -> float:
    """The mean over all images of the groups; each image counts once, as in all comparisons."""
    return fmean(by_image(scores[row].values, groups).values())


def gap_closed(scores: Mapping[str, Scores], row: str, teacher: str, student: str) -> str:
    """
    The share of the teacher's lead over the student that a row has, such as ``"75 %"``.

    ``NO_GAP`` where the interval of that lead includes 0 or the lead is below one point: its share would be noise.
    Empty where not all three have finished a run.
    """
    groups = common(scores, row, student, teacher)
    lead = compare(*(by_image(scores[name].values, groups) for name in (teacher, student))) if groups else None
    if lead is None:
        return ""
    share = share_recovered(*(mean_score(scores, name, groups) for name in (row, student, teacher)))
    is_clear = share is not None and lead.low > 0 and lead.difference >= CLEAR
    return f"{100 * share:.0f} %" if share is not None and is_clear else NO_GAP


def repeated(scores: Mapping[str, Scores], student: str) -> dict[str, tuple[Repeated, float]]:
    """For each row with at least two trainings, how its difference from the student would vary, and its corrected p."""
    found = {}
    for row in scores:
        groups = common(scores, row, student)
        if row != student and groups:
            result = over_trainings(scores[row].values, scores[student].values, groups)
            if result is not None:
                found[row] = result
    corrected = holm([result.p for result in found.values()])
    return dict(zip(found, zip(found.values(), corrected, strict=True), strict=True))


def _repeated(result: Repeated, corrected: float) -> list[str]:
    return [f"{100 * result.low:+.1f} to {100 * result.high:+.1f}", f"{_p(result.p)} ({_p(corrected)})"]


def _comparisons(scores: Mapping[str, Scores], other: str) -> dict[str, tuple[Comparison, float, float]]:
    """For each row, its comparison with ``other``, and both p values after correction."""
    found = {}
    for row in scores:
        groups = common(scores, row, other)
        if row != other and groups:
            result = compare(*(by_image(scores[name].values, groups) for name in (row, other)))
            if result is not None:
                found[row] = result
    corrected = [holm([getattr(result, test) for result in found.values()]) for test in ("t_test", "wilcoxon")]
    return {row: (result, t, w) for (row, result), t, w in zip(found.items(), *corrected, strict=True)}


def _mean(scores: Scores) -> list[str]:
    values = 100 * pooled(scores.values)
    images = 100 * np.array(list(by_image(scores.values, scores.values).values()))
    low, high = interval(images) if len(images) > 1 else (np.nan, np.nan)
    means = [100 * float(np.mean(list(of_group.values()))) for of_group in scores.values.values()]
    spread = f"{np.std(means, ddof=1):.1f} ({len(means)})" if len(means) > 1 else "– (1)"
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return [f"{values.mean():.2f} ± {deviation:.2f}", f"{low:.1f} to {high:.1f}", spread]


def _change(
    scores: Mapping[str, Scores], row: str, against: tuple[Comparison, float, float] | None, teacher: str, student: str
) -> list[str]:
    if against is None:
        return ["–", "–", "–"]
    result, shown = against[0], "" if row == teacher else gap_closed(scores, row, teacher, student)
    return [f"{100 * result.difference:+.2f}", f"{100 * result.low:+.1f} to {100 * result.high:+.1f}", shown or "–"]


def _tests(against: Mapping[str, tuple[Comparison, float, float]], row: str) -> list[str]:
    if row not in against:
        return ["–", "–"]
    result, t_test, wilcoxon = against[row]
    return [f"{_p(result.t_test)} ({_p(t_test)})", f"{_p(result.wilcoxon)} ({_p(wilcoxon)})"]


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _hd95(scores: Scores) -> str:
    values = pooled(scores.hd95)
    undefined = int(np.isnan(values).sum())
    if undefined == len(values):
        return f"– ({undefined})"
    return f"{np.nanmean(values):.1f}" + (f" ({undefined})" if undefined else "")
