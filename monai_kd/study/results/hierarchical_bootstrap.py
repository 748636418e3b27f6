# SPDX-License-Identifier: Apache-2.0
"""How sure a difference is when the study were done again: other splits, other seeds, other images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Repeated", "over_trainings"]

RESAMPLES = 9999
SEED = 0  # of the bootstrap: the same scores, the same interval
BATCH = 500  # resamples at once

Array = npt.NDArray[np.float64]


class Repeated(NamedTuple):
    """
    A mean difference as it would vary if the study were repeated.

    Args:
        low: of the 95 % interval.
        high: of the same.
        p: two-sided: twice the share of the resamples on the other side of 0.
    """

    low: float
    high: float
    p: float


def over_trainings(
    model: Mapping[str, Mapping[str, float]], other: Mapping[str, Mapping[str, float]], groups: Sequence[str]
) -> Repeated | None:
    """
    Hierarchical bootstrap of the mean paired difference between two models.

    Splits are drawn with replacement; in each drawn split its seeds and its test images are. Seeds and images are
    crossed: an image is drawn for all seeds of its split alike. So an interval over images alone, which speaks of these
    trainings only, becomes one for other trainings. With few splits it is wide, and rather too narrow than too wide.

    Source: Davison and Hinkley, "Bootstrap methods and their application", 1997, section 3.8.

    Args:
        model: scores by group, ``"<split>-<seed>"``, and image.
        other: the same of the other model.
        groups: that both have finished.

    Returns:
        None when there is one training alone, or a split without an image in common.

    Example:
        >>> first = {"0-0": {"a": 0.5, "b": 0.75}, "1-0": {"c": 0.75, "d": 0.5}}
        >>> zero = {group: dict.fromkeys(images, 0.0) for group, images in first.items()}
        >>> over_trainings(first, zero, ["0-0", "1-0"]).low
        0.5
    """
    tables = [_differences(model, other, of_split) for of_split in _by_split(groups)]
    if len(groups) < 2 or not all(table.size for table in tables):
        return None
    rng = np.random.default_rng(SEED)
    means = np.concatenate([_means(tables, min(BATCH, RESAMPLES - done), rng) for done in range(0, RESAMPLES, BATCH)])
    low, high = np.percentile(means, [2.5, 97.5])
    # The sample itself is one more resample, so that p is never 0 (Davison and Hinkley, section 4.2).
    beyond = min((means <= 0).sum(), (means >= 0).sum())
    return Repeated(float(low), float(high), min(1.0, 2 * (int(beyond) + 1) / (RESAMPLES + 1)))


def _by_split(groups: Sequence[str]) -> list[list[str]]:
    splits: dict[str, list[str]] = {}
    for group in groups:
        splits.setdefault(group.partition("-")[0], []).append(group)
    return list(splits.values())


def _differences(
    model: Mapping[str, Mapping[str, float]], other: Mapping[str, Mapping[str, float]], groups: Sequence[str]
) -> Array:
    """Of one split, shape (seeds, images); the images that all its trainings have in common."""
    names = sorted(set.intersection(*(set(scores[group]) for scores in (model, other) for group in groups)))
    return np.array([[model[group][name] - other[group][name] for name in names] for group in groups])


def _means(tables: Sequence[Array], count: int, rng: np.random.Generator) -> Array:
    """Of so many repeated studies the mean over their splits, each drawn anew."""
    drawn = rng.integers(len(tables), size=(count, len(tables)))
    means = np.empty(drawn.shape)
    for index, table in enumerate(tables):
        at = drawn == index
        seeds, images = (_shares(int(at.sum()), size, rng) for size in table.shape)
        means[at] = np.einsum("rs,si,ri->r", seeds, table, images)
    return means.mean(axis=1)


def _shares(count: int, size: int, rng: np.random.Generator) -> Array:
    """How often each of ``size`` things is drawn in ``size`` draws, as shares."""
    return rng.multinomial(size, np.full(size, 1 / size), size=count) / size
