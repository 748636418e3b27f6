# SPDX-License-Identifier: Apache-2.0
"""The demo's table, its verdict and its picture."""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import wilcoxon
from torch import nn

from monai_kd.data import read_dataset
from monai_kd.demo.runs import Model
from monai_kd.utils.figures import comparison
from monai_kd.utils.json_files import read_json

__all__ = ["report"]


def report(
    models: Sequence[Model],
    networks: Sequence[nn.Module],
    settings: Mapping[str, Any],
    output_dir: Path,
    console: Console,
    labels: int,
) -> None:
    """
    Print the table, draw four test images into ``report.png``, and print the effect of distillation last.

    ``models`` are teacher, student alone and distilled student, already evaluated; ``labels`` is their number of
    labels."""
    console.print(_table(models, networks, settings["spatial_size"]))
    scores = [_dice(model) for model in models]
    order = sorted(scores[1], key=lambda name: scores[1][name])
    shown = [order[round(share * (len(order) - 1))] for share in (0.1, 0.35, 0.65, 0.9)]
    records = {record["id"]: record for record in read_dataset(settings["dataset_dir"])}
    overlays = {model.name: model.folder / "evaluation" / "overlays" for model in models}
    comparison([records[name] for name in shown], overlays, scores, output_dir / "report.png")
    console.print(f"Contours of four test images: {output_dir / 'report.png'}")
    console.print(_verdict(scores, labels))


def _table(models: Sequence[Model], networks: Sequence[nn.Module], spatial_size: Sequence[int]) -> Table:
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    table = Table(caption="Test images: mean ± standard deviation; HD95 in pixels; ms per image on one CPU thread")
    for column in ("Model", "Parameters", "Ratio", "Dice (%)", "HD95", "ms"):
        table.add_column(column, justify="left" if column == "Model" else "right")
    for model, network, size in zip(models, networks, sizes, strict=True):
        summary = read_json(model.folder / "evaluation" / "summary.json")
        table.add_row(
            model.name,
            f"{size:,}",
            f"1/{sizes[0] / size:.0f}",
            _plus_minus(summary["dice"], 100),
            _plus_minus(summary["hd95"]),
            f"{_milliseconds(network, spatial_size):.1f}",
        )
    return table


def _plus_minus(score: dict[str, float | None], factor: int = 1) -> str:
    values = (score["mean"], score["std"])  # None if undefined
    return " ± ".join("–" if value is None else f"{factor * value:.1f}" for value in values)


def _dice(model: Model) -> dict[str, float]:
    with (model.folder / "evaluation" / "scores.csv").open(newline="") as file:
        return {row["id"]: float(row["dice"]) for row in csv.DictReader(file)}


def _verdict(scores: list[dict[str, float]], labels: int) -> str:
    teacher, alone, distilled = (100 * statistics.fmean(score.values()) for score in scores)
    change = distilled - alone
    differences = [scores[2][name] - scores[1][name] for name in scores[1]]
    better = sum(difference > 0 for difference in differences)
    of = f"better on {better} of {len(differences)} test images"
    if any(differences):
        of += f", p = {wilcoxon(differences).pvalue:.2g}"
    if change <= 0:
        return f"With {labels} labels, distillation did not help here: {change:+.1f} points of Dice ({of})."
    won = f"With {labels} labels, distillation raised the student's Dice by {change:.1f} points ({of})"
    return (
        f"{won}. This closes {100 * change / (teacher - alone):.0f} % of the gap to the teacher."
        if teacher > alone
        else f"{won}."
    )


def _milliseconds(network: nn.Module, spatial_size: Sequence[int]) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    image = torch.rand(1, 1, *spatial_size)
    times = []
    try:
        with torch.inference_mode():
            for _ in range(60):
                start = time.perf_counter()
                network.eval()(image)
                times.append(1000 * (time.perf_counter() - start))
    finally:
        torch.set_num_threads(threads)
    return statistics.median(times[10:])
