# SPDX-License-Identifier: Apache-2.0
"""
How long until a student is good: seconds of training and validation until the mean validation Dice reaches a target.

    python tests/benchmarks/time_to_dice.py [--levers] [--dataset-dir data/BUSBRA] [--output-dir runs/time_to_dice]

Few images have labels; the teacher has learned from these and answers the pool, too. All candidates have the same
images in the same order, first weights, teacher, losses, schedule and number of steps, draw the same kind of views, and
validate after every epoch. The first target is the student's last Dice without a teacher; the second is 98 % of a
candidate's own last Dice. The clock starts before images are read; making images and teacher is not counted.
``--levers`` compares the bundle's recipe with changes of it, one at a time. Without --dataset-dir the images are
synthetic. Every finished training is a line of ``rows.jsonl`` in the output folder, so a run goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import monai
import torch
from dice_compact import compact
from dice_levers import LEVERS
from dice_loops import looped, ours, stock
from dice_setup import Course, Setup
from in_turns import device_name
from peers import available

ALONE, OURS = "MONAI, student alone", "**monai_kd, recipe for few labels**"
SIZES = {
    "images": 235,
    "labels": 24,
    "side": 96,
    "batch": 16,
    "epochs": 15,
    "steps": 40,
    "teacher_epochs": 6,
    "threads": 2,
}
Rows = Mapping[tuple[str, int], list[tuple[float, float]]]


def candidates(levers: bool) -> dict[str, Callable[[Setup, int], Course]]:
    """By the name in the table; the first one gives the target."""
    first = {ALONE: partial(stock, with_teacher=False)}
    if levers:
        graphs = {"fused; one function for a step": compact, "the same, compiled": partial(compact, compiled=True)}
        return {
            **first,
            OURS: ours,
            **{name: partial(ours, change=change) for name, change in LEVERS.items()},
            **graphs,
        }
    toolkits = {f"{name}, live teacher": partial(looped, make=make) for name, make in available().items()}
    return {**first, "MONAI, live teacher": stock, **toolkits, OURS: ours}


def read(file: Path) -> Rows:
    """The course of each finished training."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {(row["name"], row["seed"]): row["points"] for row in map(json.loads, lines)}


def train_missing(setup: Setup, trainings: Mapping[str, Any], seeds: list[int], file: Path) -> None:
    """Every training that the file of rows does not hold."""
    done = read(file)
    for name, train in trainings.items():
        for seed in seeds:
            if (name, seed) not in done:
                line = train(setup, seed).row(name=name, seed=seed)
                with file.open("a") as rows:
                    rows.write(line + "\n")


def claim(folder: Path, sizes: Mapping[str, Any]) -> None:
    """Images, teacher and rows of a folder are of the same sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sizes.json"
    if file.exists() and json.loads(file.read_text()) != sizes:
        raise SystemExit(f"{folder} holds a run of {file.read_text()}. Give these sizes, or another --output-dir.")
    file.write_text(json.dumps(sizes))


def reached(points: list[tuple[float, float]], target: float) -> float:
    """Seconds of the first validation that has the Dice; infinite if none has."""
    return next((seconds for seconds, dice in points if dice >= target), float("inf"))


def spread(values: list[float]) -> str:
    """Median and range."""
    if max(values) == float("inf"):
        return f"reached by {sum(value < float('inf') for value in values)} of {len(values)}"
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def table(done: Rows, names: list[str], seeds: list[int]) -> Iterator[str]:
    """Lines of Markdown; only trainings that are there."""
    columns = ("training", "last Dice (%): mean (seeds)", "s to the target: median (range)", "ours / this")
    yield "| " + " | ".join([*columns, "s to 98 % of its last Dice", "ours / this", "s in all"]) + " |"
    yield "|" + " --- |" * 7
    targets = {seed: done[ALONE, seed][-1][1] for seed in seeds}

    def times(name: str, seed: int) -> tuple[float, float, float]:
        points = done[name, seed]
        return reached(points, targets[seed]), reached(points, 0.98 * points[-1][1]), points[-1][0]

    for name in names:
        last = [done[name, seed][-1][1] for seed in seeds]
        own, mine = ([times(one, seed) for seed in seeds] for one in (name, OURS))
        cells = [name, f"{100 * statistics.mean(last):.1f} ({', '.join(f'{100 * dice:.1f}' for dice in last)})"]
        for which in (0, 1):
            cells.append(spread([one[which] for one in own]))
            pairs = [(us[which], one[which]) for us, one in zip(mine, own, strict=True)]
            all_reach = max(map(max, pairs)) < float("inf")
            cells.append(f"{statistics.median(us / one for us, one in pairs):.2f}" if all_reach else "")
        yield "| " + " | ".join([*cells, f"{statistics.median(one[2] for one in own):.1f}"]) + " |"


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output-dir", type=Path, help="Keeps images, teacher and rows. By default nothing is kept.")
    parser.add_argument("--dataset-dir")
    parser.add_argument("--levers", action="store_true")
    parser.add_argument("--only", nargs="+", help="Parts of names.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    for name, default in SIZES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.output_dir or Path(temporary)
        claim(folder, {name: getattr(arguments, name) for name in ("dataset_dir", *SIZES)})
        setup = Setup(arguments, folder)
        trainings = candidates(arguments.levers)
        if arguments.only:
            chosen = {ALONE, OURS, *(name for name in trainings for part in arguments.only if part in name)}
            trainings = {name: train for name, train in trainings.items() if name in chosen}
        train_missing(setup, trainings, arguments.seeds, folder / "rows.jsonl")
        done = read(folder / "rows.jsonl")
    print(
        f"{device_name()}, {arguments.threads} thread(s), torch {torch.__version__}, MONAI {monai.__version__}; "
        f"{setup}; {arguments.epochs} epochs of {arguments.steps} steps; {len(arguments.seeds)} seeds.\n"
    )
    print("\n".join(table(done, list(trainings), arguments.seeds)))


if __name__ == "__main__":
    main()
