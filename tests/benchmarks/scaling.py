# SPDX-License-Identifier: Apache-2.0
"""
How a distillation step grows: with the batch, the image's side, classes, pathways, and in 3D.

    python tests/benchmarks/scaling.py [--batch 16] [--side 128] [--axes images] [--figure docs/images/growth.png]

One thing changes at a time. Plain, floor and distillation steps (logits; of several pathways the others are hidden
levels, by mean squared error) take turns for each case. With --figure the times are drawn, too.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from in_turns import Round, read_arguments, table_row
from monai.engines import SupervisedTrainer
from pairs import PAIRS, Pair
from steps import floor_trainer, iteration_times, of_trainer
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.benchmark.timing import in_turns
from monai_kd.losses import LogitsKLLoss
from monai_kd.networks import ChannelAdapter

WIDTHS = PAIRS["default"].widths
STUDENT = (16, 32, 48, 80, 128)
AXES = ("images", "side", "classes", "pathways", "volumes")
Case = Mapping[str, Any]


def cases(batch: int, side: int) -> dict[str, list[tuple[int, Case]]]:
    """By what grows: how large it is, and the case."""
    usual = {"batch": batch, "side": side, "classes": 2, "pathways": 1, "dims": 2}
    grown = {
        "images": {value: {"batch": value} for value in (batch // 4, batch // 2, batch, 2 * batch)},
        "side": {value: {"side": value} for value in (side // 2, side, 3 * side // 2, 2 * side) if value >= 64},
        "classes": {value: {"classes": value} for value in (2, 4, 8, 16)},
        "pathways": {value: {"pathways": value} for value in (1, 2, 4)},
        "volumes": {value: {"batch": value, "dims": 3, "side": side // 2} for value in (1, 2, 4)},
    }
    return {axis: [(size, {**usual, **change}) for size, change in row.items()] for axis, row in grown.items()}


def pathways(pair: Pair, count: int) -> Pathways:
    """Logits, and hidden levels from the deepest up: the student's, brought to the teacher's channels."""
    ways: dict[str, nn.Module] = {"logits": Pathway(LogitsKLLoss(), weight=0.5)}
    for up in range(count - 1):
        level = len(STUDENT) - 1 - up
        teacher_level = len(WIDTHS) - 1 - up
        # In between, MONAI's UNet returns what its decoder made of a level: of the width above.
        channels = WIDTHS[-1] if up == 0 else WIDTHS[teacher_level - 1]
        ways[f"level {level}"] = Pathway(
            nn.MSELoss(),
            f"encoder.levels.{level}" if up else "encoder",
            ".".join(["model"] + ["1.submodule"] * teacher_level),
            student_adapter=ChannelAdapter(pair.dims, STUDENT[level], channels),
        )
    return Pathways(**ways)


def measure(case: Case, rounds: int) -> list[Round]:
    """Milliseconds of plain, floor and distillation steps."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pair = Pair(WIDTHS, dims=case["dims"], classes=case["classes"])
    image = torch.rand(case["batch"], 1, *[case["side"]] * case["dims"], device=device)
    batch = {"image": image, "label": (image * case["classes"]).floor()}
    teacher = pair.teacher().to(device)
    trainers = {
        "plain": SupervisedTrainer(**of_trainer(pair, batch)),
        "floor": floor_trainer(pair, teacher, batch),
        "distillation": DistillationTrainer(
            teacher=teacher, **of_trainer(pair, batch, pathways(pair, case["pathways"]))
        ),
    }
    timers = {name: iteration_times(trainer, device) for name, trainer in trainers.items()}
    return list(in_turns(timers, rounds, warm_up=1))


def draw(measured: Mapping[str, list[tuple[int, list[Round]]]], path: str) -> None:
    """A small picture for each axis: three lines, milliseconds; sides by their squares, the number of pixels."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(measured), figsize=(3 * len(measured), 3.2), layout="constrained")
    for axis, (title, row) in zip(axes, measured.items(), strict=True):
        places = [size**2 if title == "side" else size for size, _ in row]
        for name in ("distillation", "floor", "plain"):
            values = [statistics.median(times[name] for times in rounds) for _, rounds in row]
            axis.plot(places, values, "o-", label=name)
        axis.set_xticks(places, [f"{size}²" if title == "side" else str(size) for size, _ in row])
        axis.set(title={"side": "pixels"}.get(title, title), xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("ms per step")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    arguments: argparse.Namespace = read_arguments(__doc__, side=128, rounds=7, figure=None, axes=AXES)
    print("| case | distillation step, ms: median (p10–p90) | plain, ms | (step − floor) / plain step |")
    print("| --- | --- | --- | --- |")
    measured: dict[str, list[tuple[int, list[Round]]]] = {}
    for axis in arguments.axes:
        for size, case in cases(arguments.batch, arguments.side)[axis]:
            rounds = measure(case, arguments.rounds)
            measured.setdefault(axis, []).append((size, rounds))
            plain = statistics.median(times["plain"] for times in rounds)
            over = statistics.median((times["distillation"] - times["floor"]) / times["plain"] for times in rounds)
            cells = f"{plain:.1f} | {100 * over:+.1f} %"
            print(
                table_row("distillation", rounds, cells).replace("| distillation ", f"| {axis}: {size} ", 1), flush=True
            )
    if arguments.figure:
        draw(measured, arguments.figure)


if __name__ == "__main__":
    main()
