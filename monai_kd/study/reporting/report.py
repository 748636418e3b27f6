# SPDX-License-Identifier: Apache-2.0
"""A study's report, made from what its runs have written so far."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import monai
import torch

from monai_kd.data.records.several_folders import folders_of_data
from monai_kd.study.reporting.cost_table import cost_table, measure
from monai_kd.study.reporting.grid_table import grid_table
from monai_kd.study.reporting.metrics_table import metrics_table
from monai_kd.study.reporting.pages import Figure, write_html, write_markdown
from monai_kd.study.reporting.pictures import contours, score_against_parameters, typical_image
from monai_kd.study.reporting.score_table import score_table
from monai_kd.study.reporting.verdict import verdict
from monai_kd.study.results.scores import Scores
from monai_kd.study.results.study_folder import StoredStudy, read_study
from monai_kd.study.running.machine import describe_machines
from monai_kd.utils.tables import Table

__all__ = ["Report", "write_report"]


class Report(NamedTuple):
    """Where a report is, its first sentence, and its tables."""

    folder: Path
    verdict: str
    tables: list[Table]


def write_report(output_dir: Path, against: str | None = None) -> Report:
    """
    Write ``report/report.html``, ``report.md``, a CSV for each table and a PNG for each figure.

    All rows are compared with ``against``, or else with the study's student.

    Raises:
        FileNotFoundError: When the folder has no study.
        ValueError: When no run has finished yet, or the row does not exist.
    """
    stored = read_study(output_dir)
    study, splits, groups, scores = stored.plan, stored.splits, stored.groups, stored.scores
    folder = output_dir / "report"
    if against is not None:
        stored.check_row(against)
    compared = against or study["student"]
    costs = measure(output_dir, scores)
    tables = {
        "scores": score_table(scores, study["teacher"], compared),
        "costs": cost_table(costs, scores, study["teacher"]),
    }
    further = {
        "metrics": metrics_table(scores, compared),
        "grids": grid_table(output_dir, study["rows"], groups, scores),
    }
    tables |= {name: table for name, table in further.items() if table is not None}
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv")
    chart = folder / "parameters.png"
    score_against_parameters(costs, scores, (study["teacher"], study["student"]), chart)
    name = next(iter(scores.values())).measure
    note = f"Each point is a model: its mean {name} over all test images, with the bootstrap interval over images."
    figures = [
        *_contours(stored, folder),
        Figure(f"{name} against parameters", chart, note),
    ]
    found = verdict(scores, study["teacher"], compared)
    facts = [found, *_facts(study, scores, splits, len(groups), output_dir)]
    for write, suffix in ((write_markdown, "md"), (write_html, "html")):
        write(folder / f"report.{suffix}", study["name"], facts, list(tables.values()), figures)
    return Report(folder, found, list(tables.values()))


def _contours(study: StoredStudy, folder: Path) -> list[Figure]:
    """The picture of contours; empty if the data or the overlays are not available."""
    scores, output_dir = study.scores, study.folder
    group = max(study.groups, key=lambda name: sum(name in of_row.values for of_row in scores.values()))
    name = typical_image(scores, group)
    drawn = output_dir.glob(f"{group}/*/evaluation/overlays/{name}.png")
    if not all(folder.is_dir() for folder in folders_of_data(study.plan["dataset_dir"])) or not any(drawn):
        return []
    records = study.records()
    if name not in records or not isinstance(records[name]["label"], (str, Path)):
        return []
    path = folder / "contours.png"
    contours(records[name], group, scores, output_dir, path)
    note = (
        f"Test image {name} of split and seed {group}, which has the median Dice, averaged over all models. The true "
        "contour is green, each model's contour is red. The title of each picture gives Dice."
    )
    return [Figure("Contours", path, note)]


def _facts(
    study: Mapping[str, Any],
    scores: Mapping[str, Scores],
    splits: Sequence[Mapping[str, list[str]]],
    groups: int,
    output_dir: Path,
) -> list[str]:
    folders = [output_dir / group / row for row, of_row in scores.items() for group in of_row.values]
    finished = len(folders)
    rows = [row["name"] for row in study["rows"] if row["evaluate"]]
    planned = groups * len(rows)
    parts = " / ".join(str(len(splits[0][part])) for part in ("training", "validation", "test"))
    data = " and ".join(folder.name for folder in folders_of_data(study["dataset_dir"]))
    settings = ", ".join(f"{key} = {value}" for key, value in study["settings"].items())
    facts = [
        f"{finished} of {planned} runs have finished: {len(rows)} models, {len(splits)} splits, "
        f"training seeds {', '.join(map(str, study['seeds']))}.",
        f"Data: {data}, {parts} images for training / validation / test in split 0; the splits are in splits.json.",
        _validation(splits),
        f"Settings of all runs: {settings or 'those of the bundle'}.",
        f"Trained on: {describe_machines(folders)}.",
        f"Report made with torch {torch.__version__}, MONAI {monai.__version__}, Python {platform.python_version()} on "
        f"{platform.machine()}.",
    ]
    absent = [row for row in rows if row not in scores]
    return facts + ([f"Not finished in any split: {', '.join(absent)}."] if absent else [])


def _validation(splits: Sequence[Mapping[str, list[str]]]) -> str:
    both = sum(len(set(split["validation"]) & set(split["test"])) for split in splits)
    role = "The validation images, which stop a training and choose its checkpoint,"
    if both:
        return f"{role} include test images ({both} in all splits): the scores are too optimistic."
    return f"{role} are taken from the training images. They include no test image."
