# SPDX-License-Identifier: Apache-2.0
"""Paired comparisons of models over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["Comparison", "compare", "holm", "interval", "share_recovered"]

RESAMPLES = 9999
SEED = 0  # of the bootstrap; the same scores give the same interval


@dataclass(frozen=True)
class Comparison:
    """
    Two models compared over the images that both were tested on.

    Args:
        difference: mean of the paired differences.
        low: lower end of its 95 % bootstrap interval.
        high: upper end of the interval.
        t_test: two-sided p value of the paired t-test.
        wilcoxon: two-sided p value of Wilcoxon's signed-rank test.
        images: how many.
    """

    difference: float
    low: float
    high: float
    t_test: float
    wilcoxon: float
    images: int


def compare(model: Mapping[str, float], other: Mapping[str, float]) -> Comparison | None:
    """
    Compare two models by their scores of each image; None if fewer than two images have both scores.

    Example:
        >>> compare({"a": 0.5, "b": 0.75}, {"a": 0.5, "b": 0.75}).t_test
        1.0
    """
    names = sorted(model.keys() & other.keys())
    if len(names) < 2:
        return None
    first, second = (np.array([scores[name] for name in names]) for scores in (model, other))
    change = first - second
    low, high = interval(change)
    if not change.any():  # both tests are undefined where all differences are 0
        return Comparison(0.0, low, high, 1.0, 1.0, len(names))
    # If all differences are equal, their spread is 0: t is infinite and p is 0.
    t_test = float(stats.ttest_rel(first, second).pvalue) if np.ptp(change) else 0.0
    return Comparison(float(change.mean()), low, high, t_test, float(stats.wilcoxon(change).pvalue), len(names))


def interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean over at least two images (Efron 1979)."""
    result = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile", batch=1000, rng=np.random.default_rng(SEED)
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """
    Correct the p values of one family of tests (Holm 1979).

    The k-th smallest of m values is multiplied by m − k + 1, then raised to the largest of the values before it.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    factors = np.arange(len(p_values), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return [float(p) for p in corrected]


def share_recovered(model: float, student: float, teacher: float) -> float | None:
    """
    The share of the gap between student and teacher that a model closes: (model − student) / (teacher − student).

    All three are mean scores. None if the teacher is not better than the student.

    Example:
        >>> round(share_recovered(80.00, student=73.16, teacher=81.50), 2)  # the paper's best row
        0.82
    """
    return (model - student) / (teacher - student) if teacher > student else None
