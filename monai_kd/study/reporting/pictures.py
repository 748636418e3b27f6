# SPDX-License-Identifier: Apache-2.0
"""The study's figures: contours on a test image, like the paper's Figure 2, and score against parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from monai_kd.data import LoadUltrasoundd
from monai_kd.study.reporting.cost import Cost
from monai_kd.study.results.scores import Scores, by_image, pooled
from monai_kd.study.results.statistics import interval
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.figures import GREEN, overlay

__all__ = ["contours", "draw_panels", "score_against_parameters", "typical_image"]

COLUMNS = 5


def typical_image(scores: Mapping[str, Scores], group: str) -> str:
    """The test image of a group (split and seed) with the median Dice, averaged over the models."""
    tables = [of_row.values[group] for of_row in scores.values() if group in of_row.values]
    names = sorted(set.intersection(*(set(table) for table in tables)))
    means = {name: float(np.mean([table[name] for table in tables])) for name in names}
    return sorted(names, key=lambda name: means[name])[len(names) // 2]


def contours(record: Mapping[str, Any], group: str, scores: Mapping[str, Scores], output_dir: Path, path: Path) -> None:
    """Draw a test image, its true contour, and each model's contour into a PNG."""
    loaded = LoadUltrasoundd()(record)
    image, truth = (loaded[key].numpy()[0].T for key in ("image", "label"))
    panels = [("image", overlay(image, [])), ("ground truth", overlay(image, [(truth, GREEN)]))]
    for row, of_row in scores.items():
        drawn = output_dir / group / row / "evaluation" / "overlays" / f"{record['id']}.png"
        if group in of_row.values and drawn.is_file():
            panels.append((f"{row}: {100 * of_row.values[group][record['id']]:.0f} %", np.asarray(Image.open(drawn))))
    draw_panels(panels, COLUMNS, path)


def draw_panels(panels: Sequence[tuple[str, npt.NDArray[np.uint8]] | None], columns: int, path: Path) -> None:
    """Draw titled RGB pictures into a PNG, ``columns`` in a row; None leaves a place empty."""
    from matplotlib.figure import Figure  # imported here because the import is slow

    height = -(-len(panels) // columns)
    drawn = [panel for panel in panels if panel is not None]
    ratio = max(picture.shape[0] / picture.shape[1] for _, picture in drawn)
    lines = max(title.count("\n") + 1 for title, _ in drawn)
    figure = Figure(figsize=(2.6 * columns, height * (2.6 * ratio + 0.25 * lines)), layout="constrained")
    axes = figure.subplots(height, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, panel in zip(axes, panels, strict=False):
        if panel is not None:
            axis.imshow(panel[1])
            axis.set_title(panel[0], fontsize=9)
    _save(figure, path)


def score_against_parameters(
    costs: Mapping[str, Cost], scores: Mapping[str, Scores], named: tuple[str, str], path: Path
) -> None:
    """
    Draw the mean score of every model, with its 95 % interval, against its number of parameters.

    Models of the same size stand next to each other, in the order of the tables. ``named`` are teacher and student,
    which have their own colors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    sizes = sorted({cost.parameters for cost in costs.values()})
    start = 0
    ticks = []
    for size in sizes:
        rows = sorted((row for row in costs if costs[row].parameters == size), key=lambda row: row not in named)
        for place, row in enumerate(rows, start):
            images = 100 * np.array(list(by_image(scores[row].values, scores[row].values).values()))
            mean = 100 * float(pooled(scores[row].values).mean())
            low, high = interval(images) if len(images) > 1 else (mean, mean)
            color = "tab:green" if row == named[0] else "tab:blue" if row == named[1] else "tab:red"
            axis.vlines(place, low, high, color=color, alpha=0.5)
            axis.plot([place], [mean], "o", color=color)
            ticks.append((place, row))
        middle = start + (len(rows) - 1) / 2
        axis.annotate(f"{size:,} parameters", (middle, 1.01), xycoords=("data", "axes fraction"), ha="center")
        if start:
            axis.axvline(start - 1, color="0.8", linewidth=1)
        start += len(rows) + 1
    axis.set_xticks([place for place, _ in ticks], [row for _, row in ticks], rotation=60, ha="right")
    axis.set_xlim(-1, start - 1)
    axis.set_ylabel(f"{next(iter(scores.values())).measure} (%), 95 % interval")
    axis.grid(axis="y", alpha=0.3)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
