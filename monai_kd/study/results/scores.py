# SPDX-License-Identifier: Apache-2.0
"""Read the scores of each image from a study's finished runs."""

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

from monai_kd.study.results.roc_auc import Answer, Answers
from monai_kd.utils.json_files import read_json

__all__ = ["Scores", "by_image", "read_scores"]

Values = Mapping[str, Mapping[str, float]]
"""A metric by group (split and seed) and image."""

SEGMENTATION, CLASSIFICATION = "Dice", "Accuracy"
MEASURED = ("dice", "iou", "hd95")  # of segmentation, by every evaluation


@dataclass(frozen=True)
class Scores:
    """
    The scores of the runs of one row.

    Args:
        measure: "Dice" of segmentation, "Accuracy" of classification.
        values: of the measure, between 0 and 1, by group and image. Images without a lesion are absent, because their
            Dice is undefined. In classification, 1 is right and 0 is wrong.
        hd95: of segmentation, in pixels, by group and image; NaN where it is undefined.
        whole: by name and group, NaN where undefined: of classification the metrics of all test images together; of
            segmentation the mean over the images of each metric that the bundle's evaluation was given in addition.
        answers: of classification, by group and image.
    """

    measure: str
    values: Values
    hd95: Values = field(default_factory=dict)
    whole: Values = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)


def read_scores(output_dir: Path, rows: Sequence[str], groups: Sequence[str]) -> dict[str, Scores]:
    """
    Read the scores of every row that has finished at least one run.

    Raises:
        ValueError: When a table is damaged, or the rows have different tasks.
    """
    found = {}
    for row in rows:
        tables = {group: output_dir / group / row / "evaluation" / "scores.csv" for group in groups}
        # The summary is written last.
        done = {group: path for group, path in tables.items() if path.with_name("summary.json").is_file()}
        if done:
            found[row] = _scores(done)
    if len({of_row.measure for of_row in found.values()}) > 1:
        raise ValueError(f"'{output_dir}' has rows of different tasks. Compare one task in one study.")
    return found


def by_image(values: Values, groups: Collection[str]) -> dict[str, float]:
    """
    One value for each image: its mean over the groups that test it, because these values are not independent.

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
    """All values; an image in several groups counts several times, as in the paper."""
    return np.array([value for of_group in values.values() for value in of_group.values()])


def _scores(tables: Mapping[str, Path]) -> Scores:
    rows = {group: _rows(path) for group, path in tables.items()}
    if all("prediction" in row for of_group in rows.values() for row in of_group.values()):
        right = {
            group: {name: float(row["prediction"] == row["label"]) for name, row in of_group.items()}
            for group, of_group in rows.items()
        }
        return Scores(CLASSIFICATION, right, whole=_whole(tables), answers=_answers(rows, tables))
    dice, hd95 = (
        {group: _column(of_group, name, tables[group]) for group, of_group in rows.items()} for name in ("dice", "hd95")
    )
    values = {group: _defined(of_group, tables[group]) for group, of_group in dice.items()}
    return Scores(SEGMENTATION, values, hd95, _whole(tables))


def _answers(rows: Mapping[str, Mapping[str, Mapping[str, str]]], tables: Mapping[str, Path]) -> Answers:
    found = {}
    for group, path in tables.items():
        classes = list(read_json(path.with_name("summary.json")).get("images", ()))
        if len(classes) != 2:  # a summary of another evaluation, without the classes' names
            return {}
        probability = _column(rows[group], "probability", path)
        found[group] = {
            name: Answer(probability[name], row["label"] == classes[1]) for name, row in rows[group].items()
        }
    return found


def _whole(tables: Mapping[str, Path]) -> dict[str, dict[str, float]]:
    """The numbers and means of the summaries beside the tables, by name and group; without those of ``MEASURED``."""
    found: dict[str, dict[str, float]] = {}
    for group, path in tables.items():
        summary = read_json(path.with_name("summary.json"))
        for name, value in summary.items():
            if isinstance(value, Mapping) and "mean" in value and not name.startswith(MEASURED):
                value = value["mean"]
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
    return ValueError(f"'{path}' is not a table of scores ({error!r}). Remove its folder and run the study again.")


def _defined(values: Mapping[str, float], path: Path) -> dict[str, float]:
    defined = {name: value for name, value in values.items() if not np.isnan(value)}
    if not defined:
        raise ValueError(f"'{path}' has no Dice, because no test image has a lesion. Choose another data set or split.")
    return defined
