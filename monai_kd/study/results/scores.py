# SPDX-License-Identifier: Apache-2.0
"""The per-image scores of a study's finished runs."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from monai_kd.utils.json_files import read_json

__all__ = ["Scores", "by_image", "read_scores"]

Values = Mapping[str, Mapping[str, float]]
"""A metric by group (split and seed) and image."""

SEGMENTATION, CLASSIFICATION = "Dice", "Accuracy"


@dataclass(frozen=True)
class Scores:
    """
    What the runs of one row scored.

    Args:
        measure: "Dice" of segmentation, "Accuracy" of classification.
        values: of the measure, between 0 and 1, by group and image; without images that have no lesion, where Dice is
            undefined. An image is classified rightly (1) or wrongly (0).
        hd95: of segmentation, in pixels, by group and image; NaN where it is undefined.
        whole: of classification, the metrics that are of all test images together, by name and group; NaN where one is
            undefined.
    """

    measure: str
    values: Values
    hd95: Values = field(default_factory=dict)
    whole: Values = field(default_factory=dict)


def read_scores(output_dir: Path, rows: Sequence[str], groups: Sequence[str]) -> dict[str, Scores]:
    """
    Read the scores of every row that has finished at least one run.

    Args:
        output_dir: the study's folder.
        rows: names.
        groups: ``"<split>-<seed>"``.

    Raises:
        ValueError: When a table is damaged, or rows are of different tasks.
    """
    found = {}
    for row in rows:
        tables = {group: output_dir / group / row / "evaluation" / "scores.csv" for group in groups}
        # The summary is written last.
        done = {group: path for group, path in tables.items() if path.with_name("summary.json").is_file()}
        if done:
            found[row] = _scores(done)
    if len({of_row.measure for of_row in found.values()}) > 1:
        raise ValueError(f"The rows of '{output_dir}' are of different tasks. Compare one task in one study.")
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


def _scores(tables: Mapping[str, Path]) -> Scores:
    rows = {group: _rows(path) for group, path in tables.items()}
    if all("prediction" in row for of_group in rows.values() for row in of_group.values()):
        right = {
            group: {name: float(row["prediction"] == row["label"]) for name, row in of_group.items()}
            for group, of_group in rows.items()
        }
        return Scores(CLASSIFICATION, right, whole=_whole(tables))
    dice, hd95 = (
        {group: _column(of_group, name, tables[group]) for group, of_group in rows.items()} for name in ("dice", "hd95")
    )
    return Scores(SEGMENTATION, {group: _defined(values, tables[group]) for group, values in dice.items()}, hd95)


def _whole(tables: Mapping[str, Path]) -> dict[str, dict[str, float]]:
    """The numbers of the summaries beside the tables, by name and group."""
    found: dict[str, dict[str, float]] = {}
    for group, path in tables.items():
        summary = read_json(path.with_name("summary.json"))
        for name, value in summary.items():
            if value is None or isinstance(value, (int, float)):
                found.setdefault(name, {})[group] = math.nan if value is None else float(value)
    return found


def _rows(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["id"]: row for row in csv.DictReader(file)}
    except (KeyError, ValueError, OSError) as error:
        raise _damaged(path, error) from None


def _column(rows: Mapping[str, Mapping[str, str]], name: str, path: Path) -> dict[str, float]:
    try:
        return {image: float(row[name] or "nan") for image, row in rows.items()}
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"'{path}' is no table of scores ({error!r}). Remove its folder and run the study again.")


def _defined(values: Mapping[str, float], path: Path) -> dict[str, float]:
    defined = {name: value for name, value in values.items() if not np.isnan(value)}
    if not defined:
        raise ValueError(
            f"'{path}' has no Dice of any image: no test image has a lesion. Choose another data set or split."
        )
    return defined
