# SPDX-License-Identifier: Apache-2.0
"""The uncertainty of a difference if the study were repeated with other splits, seeds and images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Repeated", "by_split", "over_splits", "over_trainings", "shares"]

RESAMPLES = 9999
SEED = 0  # of the bootstrap; the same scores give the same interval
BATCH = 500  # resamples at once

Array = npt.NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], Array]
"""Of one split: so many values of its statistic, each for seeds and images drawn anew."""


class Repeated(NamedTuple):
    """
    The 95 % interval of a mean difference if the study were repeated, and p: twice the share beyond 0 (two-sided).
    """

    low: float
    high: float
    p: float


def over_trainings(
    model: Mapping[str, Mapping[str, float]], other: Mapping[str, Mapping[str, float]], groups: Sequence[str]
) -> Repeated | None:
    """
    Hierarchical bootstrap of the mean paired difference between two models.

    It draws splits with replacement and, within each drawn split, seeds and test images. Seeds and images are crossed:
    a drawn image counts for all seeds of its split. An interval over images alone is about the given trainings only;
    this one also covers other trainings. With few splits it is wide, and may still be too narrow.

    Source: Davison and Hinkley, "Bootstrap methods and their application", 1997, section 3.8.

    Args:
        model: scores by group, ``"<split>-<seed>"``, and image.
        other: scores of the other model.
        groups: that both models have finished.

    Returns:
        None if there is only one training, or a split has no image in common.

    Example:
        >>> first = {"0-0": {"a": 0.5, "b": 0.75}, "1-0": {"c": 0.75, "d": 0.5}}
        >>> zero = {group: dict.fromkeys(images, 0.0) for group, images in first.items()}
        >>> over_trainings(first, zero, ["0-0", "1-0"]).low
        0.5
    """
    tables = [_differences(model, other, of_split) for of_split in by_split(groups)]
    if len(groups) < 2 or not all(table.size for table in tables):
        return None
    return over_splits([partial(_means, table) for table in tables])


def over_splits(splits: Sequence[Draw]) -> Repeated:
    """The interval and p of the mean over the splits, which are drawn with replacement."""
    rng = np.random.default_rng(SEED)
    batches = [_repeat(splits, min(BATCH, RESAMPLES - done), rng) for done in range(0, RESAMPLES, BATCH)]
    means = np.concatenate(batches)
    low, high = np.percentile(means, [2.5, 97.5])
    # The sample itself counts as one more resample, so p is never 0 (Davison and Hinkley, section 4.2).
    beyond = min((means <= 0).sum(), (means >= 0).sum())
    return Repeated(float(low), float(high), min(1.0, 2 * (int(beyond) + 1) / (RESAMPLES + 1)))


def by_split(groups: Sequence[str]) -> list[list[str]]:
    """
    The groups of each split.

    Example:
        >>> by_split(["0-0", "0-1", "1-0"])
        [['0-0', '0-1'], ['1-0']]
    """
    splits: dict[str, list[str]] = {}
    for group in groups:
        splits.setdefault(group.partition("-")[0], []).append(group)
    return list(splits.values())


def _differences(
    model: Mapping[str, Mapping[str, float]], other: Mapping[str, Mapping[str, float]], groups: Sequence[str]
) -> Array:
    """The differences of one split, shape (seeds, images), for the images that all its trainings have in common."""
    names = sorted(set.intersection(*(set(scores[group]) for scores in (model, other) for group in groups)))
    return np.array([[model[group][name] - other[group][name] for name in names] for group in groups])


def _repeat(splits: Sequence[Draw], count: int, rng: np.random.Generator) -> Array:
    """For each of ``count`` repeated studies, the mean over its splits, which are drawn anew."""
    drawn = rng.integers(len(splits), size=(count, len(splits)))
    values = np.empty(drawn.shape)
    for index, draw in enumerate(splits):
        at = drawn == index
        values[at] = draw(int(at.sum()), rng)
    return values.mean(axis=1)


def _means(table: Array, count: int, rng: np.random.Generator) -> Array:
    seeds, images = (shares(count, size, rng) for size in table.shape)
    return np.einsum("rs,si,ri->r", seeds, table, images)


def shares(count: int, size: int, rng: np.random.Generator) -> Array:
    """How often each of ``size`` items is drawn in ``size`` draws, as shares, shape (count, size)."""
    return rng.multinomial(size, np.full(size, 1 / size), size=count) / size
