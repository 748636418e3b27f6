# SPDX-License-Identifier: Apache-2.0
"""The per-image scores of a study's finished runs."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

__all__ = ["Scores", "by_image", "read_scores"]

Values = Mapping[str, Mapping[str, float]]
"""A metric by group (split and seed) and image."""


@dataclass(frozen=True)
class Scores:
    """
    What the runs of one row scored.

    Args:
        dice: between 0 and 1, by group and image; without images that have no lesion, where it is undefined.
        hd95: in pixels, by group and image; NaN where it is undefined.
    """

    dice: Values
    hd95: Values


def read_scores(output_dir: Path, rows: Sequence[str], groups: Sequence[str]) -> dict[str, Scores]:
    """
    Read the scores of every row that has finished at least one run.

    Args:
        output_dir: the study's folder.
        rows: names.
        groups: ``"<split>-<seed>"``.

    Raises:
        ValueError: When a table is damaged.
    """
    found = {}
    for row in rows:
        tables = {group: output_dir / group / row / "evaluation" / "scores.csv" for group in groups}
        # The summary is written last.
        done = {group: path for group, path in tables.items() if path.with_name("summary.json").is_file()}
        if done:
            dice, hd95 = ({group: _column(path, name) for group, path in done.items()} for name in ("dice", "hd95"))
            found[row] = Scores({group: _defined(values, done[group]) for group, values in dice.items()}, hd95)
    return found


def by_image(values: Values, groups: Collection[str]) -> dict[str, float]:
    """
    One value for each image: the mean over the groups that it is tested in, since these are not independent.

    Args:
        values: by group and image.
        groups: to take.

    Example:
        >>> by_image({"0-0": {"a": 0.5, "b": 1.0}, "1-0": {"a": 0.7}}, ["0-0", "1-0"])
        {'a': 0.6, 'b': 1.0}
    """
    collected = defaultdict(list)
    for group in groups:
        for name, value in values[group].items():
            collected[name].append(value)
    return {name: fmean(several) for name, several in collected.items()}


def pooled(values: Values) -> npt.NDArray[np.float64]:
    """All values, those of an image in several groups included, as the paper counts them."""
    return np.array([value for of_group in values.values() for value in of_group.values()])


def _column(path: Path, name: str) -> dict[str, float]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["id"]: float(row[name] or "nan") for row in csv.DictReader(file)}
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"'{path}' is no table of scores ({error!r}). Remove its folder and run the study again."
        ) from error


def _defined(values: Mapping[str, float], path: Path) -> dict[str, float]:
    defined = {name: value for name, value in values.items() if not np.isnan(value)}
    if not defined:
        raise ValueError(
            f"'{path}' has no Dice of any image: no test image has a lesion. Choose another data set or split."
        )
    return defined
