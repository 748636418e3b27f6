# SPDX-License-Identifier: Apache-2.0
"""
The figures of results.md and choosing.md, drawn from docs/tables and from the tables of results.md and methods.md:

    python docs/figures.py [FOLDER]

Each PNG carries the digest of the figures it was drawn from, so that a test tells when a table has changed since.
"""

from __future__ import annotations

import csv
import hashlib
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DOCS = Path(__file__).parent
DATA_SETS = ("BUS-BRA", "BrEaST")
SPLITS, SEEDS, PAPER = "methods", "methods_seeds", "paper"  # tables
COLORS = {"logits": "#1b6ca8", "logits and hidden features": "#3a923a", "hidden features": "#c4572a"}
OTHER = "#666666"
WIDTH, STYLE, DPI = 4.8, {"font.size": 8.5}, 130  # inches, points: letters that can be read on a phone of 400 pixels
BELOW = {"loc": "outside lower center", "ncols": 2, "fontsize": 8.5}


class Difference(NamedTuple):
    """Points of Dice above the student alone, with the 95 % interval."""

    mean: float
    low: float
    high: float


def table(page: str, heading: str) -> list[list[str]]:
    """The first table below a heading, the heading of its columns first."""
    _, _, below = (DOCS / page).read_text(encoding="utf-8").partition(f"# {heading}\n")
    lines = re.search(r"(?:^\|.*\n)+", below, re.M)
    if lines is None:
        raise ValueError(f"{page} has no table below {heading!r}")
    cells = [[cell.strip(" `") for cell in line.strip("|\n").split("|")] for line in lines[0].splitlines(keepends=True)]
    return [cells[0], *cells[2:]]


def differences(name: str, data_set: str) -> dict[str, Difference]:
    """By row of a file in docs/tables; rows that were not run on the data set are not in it."""
    found = {}
    with (DOCS / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cell = row[f"{data_set}: − Student (95 %)"]
            numbers = [float(number.replace("−", "-")) for number in re.findall(r"[+−]\d+\.\d", cell)]
            if len(numbers) == 3:
                found[row["model"]] = Difference(*numbers)
    return found


def kinds_and_costs() -> dict[str, tuple[str, float]]:
    """What each overlay compares, and its step in times the student's, if that has been measured."""
    return {row[0]: (row[2], float(row[4])) for row in table("methods.md", "Methods")[1:] if row[4] != "–"}


def draw(axes: Axes, place: float, what: Difference, color: str, **style: Any) -> None:
    axes.plot([what.low, what.high], [place, place], color=color, linewidth=1.4, alpha=0.7, zorder=2)
    axes.plot(what.mean, place, "o", color=color, markersize=5.5, zorder=3, **style)


def beside_the_student(axes: Axes, data_set: str) -> None:
    axes.axvline(0, color="black", linewidth=0.8, zorder=1)
    axes.set_title(data_set, fontsize=10)
    axes.set_xlabel("Dice, points above\nthe student alone")
    axes.grid(axis="x", alpha=0.3)


def methods() -> tuple[Figure, object]:
    """Every method: gain on both data sets, over splits and over seeds; at the right, the cost of a step."""
    of = kinds_and_costs()
    splits, seeds = ({name: differences(study, name) for name in DATA_SETS} for study in (SPLITS, SEEDS))
    rows = sorted(splits["BUS-BRA"], key=lambda row: (row == "Teacher", splits["BUS-BRA"][row].mean))
    figure = Figure(figsize=(WIDTH, 0.25 * len(rows) + 1.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, data_set in zip(panels, DATA_SETS, strict=True):
        for place, row in enumerate(rows):
            color = COLORS.get(of.get(row, ("", 0))[0], OTHER)
            draw(axes, place + 0.17, splits[data_set][row], color)
            draw(axes, place - 0.17, seeds[data_set][row], color, markerfacecolor="white")
        beside_the_student(axes, data_set)
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].set_ylim(-0.7, len(rows) - 0.3)
    costs = panels[1].secondary_yaxis("right")
    shown = {"Teacher": "step"} | {row: f"{step:.2g}×" for row, (_, step) in of.items()}
    costs.set_yticks(range(len(rows)), [shown.get(row, "") for row in rows])
    costs.tick_params(length=0)
    for name, color in [*COLORS.items(), ("something else", OTHER)]:
        panels[0].plot([], [], "o", color=color, label=f"compares {name}")
    panels[0].plot([], [], "o", color="black", label="three splits, one seed")
    panels[0].plot([], [], "o", color="black", markerfacecolor="white", label="one split, three seeds")
    figure.legend(*panels[0].get_legend_handles_labels(), **BELOW)
    return figure, (rows, splits, seeds, {row: of[row] for row in rows if row in of})


def pathways() -> tuple[Figure, object]:
    """The paper's rows: which layer, which loss, which view of the teacher's."""
    layers = {"L": "logits", "H": "deepest feature", "HReg": "deepest feature,\nthrough a regressor"}
    found = {data_set: differences(PAPER, data_set) for data_set in DATA_SETS}
    rows = [(layer, loss) for layer in layers for loss in ("MSE", "KLD")][::-1]
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, data_set in zip(panels, DATA_SETS, strict=True):
        for place, row in enumerate(rows):
            draw(axes, place + 0.14, found[data_set]["_".join(row)], COLORS["logits"])
            draw(axes, place - 0.14, found[data_set]["_".join((*row, "WAug"))], COLORS["hidden features"])
        beside_the_student(axes, data_set)
    losses = {"MSE": "squared difference", "KLD": "KL divergence"}
    panels[0].set_yticks(range(len(rows)), [f"{layers[layer]}:\n{losses[loss]}" for layer, loss in rows])
    panels[0].plot([], [], "o", color=COLORS["logits"], label="the teacher sees the image as it is")
    panels[0].plot([], [], "o", color=COLORS["hidden features"], label="the teacher sees it weakly augmented")
    figure.legend(*panels[0].get_legend_handles_labels(), **{**BELOW, "ncols": 1})
    return figure, found


MODELS = {"Teacher": "#666666", "Student": "#c4572a", "Self-training": "#d9a03f", "Distilled": "#1b6ca8"}


def labels() -> tuple[Figure, object]:
    """Dice against the number of labelled images: the curve that distillation is for."""
    names, *rows = table("results.md", "Few labels")
    found: dict[str, dict[str, list[tuple[int, float, float]]]] = {}
    for row in rows:
        for model in MODELS:
            mean, spread = (float(number) for number in row[names.index(model)].split(" ± "))
            found.setdefault(row[0], {}).setdefault(model, []).append((int(row[1]), mean, spread))
    figure = Figure(figsize=(WIDTH / 2 * len(found), 3.4), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False, sharex=True, sharey=True)[0]
    every = sorted({int(row[1]) for row in rows})
    for axes, (data_set, curves) in zip(panels, found.items(), strict=True):
        for place, (model, points) in enumerate(curves.items()):
            counts, means, spreads = zip(*points, strict=True)
            beside = [count * 1.02 ** (place - 1.5) for count in counts]  # so that the bars do not hide each other
            style = {"color": MODELS[model], "linestyle": "--" if model == "Teacher" else "-", "label": model}
            axes.errorbar(beside, means, spreads, marker="o", capsize=3, **style)
        axes.set_xscale("log")
        axes.set_xticks(every, [str(count) for count in every])
        axes.minorticks_off()
        axes.set_title(data_set, fontsize=10)
        axes.set_xlabel("labelled training images")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("Dice of the test images (%)")
    figure.legend(*axes.get_legend_handles_labels(), **BELOW)
    return figure, found


FIGURES = {"labels.png": labels, "choosing_methods.png": methods, "choosing_pathways.png": pathways}


def digest(numbers: object) -> str:
    """Of what a figure was drawn from."""
    return hashlib.sha256(repr(numbers).encode()).hexdigest()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images"
    for name, make in FIGURES.items():
        with matplotlib.rc_context(STYLE):
            figure, numbers = make()
            figure.savefig(folder / name, dpi=DPI, metadata={"Description": digest(numbers)})
        print(folder / name)
