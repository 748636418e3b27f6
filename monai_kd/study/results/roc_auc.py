# SPDX-License-Identifier: Apache-2.0
"""The difference between two classifiers' ROC AUC, and its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monai_kd.study.results.hierarchical_bootstrap import Repeated, by_split, over_splits, shares

__all__ = ["Answer", "AucDifference", "auc_difference"]

Array = npt.NDArray[np.float64]


class Answer(NamedTuple):
    """The probability of the positive class that a classifier gives an image, and whether the image is positive."""

    probability: float
    positive: bool


Answers = Mapping[str, Mapping[str, Answer]]
"""By group, ``"<split>-<seed>"``, and image."""


class AucDifference(NamedTuple):
    """The mean difference over the trainings, and its uncertainty; None with one training."""

    mean: float
    repeated: Repeated | None


def auc_difference(model: Answers, other: Answers, groups: Sequence[str]) -> AucDifference | None:
    """
    How much higher the ROC AUC of a classifier is than another's, in the same trainings and images.

    The uncertainty is a hierarchical bootstrap: splits are drawn with replacement and, within each drawn split, seeds,
    positive images and negative images. ROC AUC is the share of pairs of a positive and a negative image in which the
    positive one has the higher probability; ties count half.

    Source: Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    Radiology 1982.

    Args:
        model: the classifier whose difference is told.
        other: the one that it is compared with.
        groups: that both have finished.

    Returns:
        None where a split has no positive or no negative image in common.

    Example:
        >>> images = {"a": True, "b": False}
        >>> right = {"0-0": {name: Answer(float(positive), positive) for name, positive in images.items()}}
        >>> unsure = {"0-0": {name: Answer(0.5, positive) for name, positive in images.items()}}
        >>> auc_difference(right, unsure, ["0-0"]).mean
        0.5
    """
    tables = [_differences(model, other, of_split) for of_split in by_split(groups)]
    if not tables or not all(table.size for table in tables):
        return None
    mean = float(np.mean([difference for table in tables for difference in table.mean(axis=(1, 2))]))
    return AucDifference(mean, over_splits([partial(_aucs, table) for table in tables]) if len(groups) > 1 else None)


def _differences(model: Answers, other: Answers, groups: Sequence[str]) -> Array:
    """Of one split, by seed and pair of a positive and a negative image, how much more often the model is right."""
    names = sorted(set.intersection(*(set(answers[group]) for answers in (model, other) for group in groups)))
    positive = [name for name in names if model[groups[0]][name].positive]
    negative = [name for name in names if not model[groups[0]][name].positive]

    def right(answers: Mapping[str, Answer]) -> Array:
        high, low = (np.array([answers[name].probability for name in part]) for part in (positive, negative))
        return (np.sign(high[:, None] - low[None, :]) + 1) / 2

    return np.array([right(model[group]) - right(other[group]) for group in groups])


def _aucs(table: Array, count: int, rng: np.random.Generator) -> Array:
    seeds, positive, negative = (shares(count, size, rng) for size in table.shape)
    of_positive = np.einsum("rn,spn->rsp", negative, table, optimize=True)
    return np.einsum("rs,rp,rsp->r", seeds, positive, of_positive, optimize=True)
