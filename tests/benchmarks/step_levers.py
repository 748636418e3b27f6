# SPDX-License-Identifier: Apache-2.0
"""
A student's step, and a teacher's answer, in other kinds of arithmetic: what would make a training shorter?

    python tests/benchmarks/step_levers.py [--student small default] [--only bfloat16] [--rounds 20]

A step is the forward and backward pass and the optimizer's. Bfloat16 is by ``torch.autocast``; it is fast on processors
that have AMX or AVX512-BF16 (``lscpu``). "Three seeds" are three networks whose weights are stacked, so that
``torch.vmap`` makes one graph of their steps; the time is that of one of the three. Compiling is not counted.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from in_turns import random_batch, read_arguments, table_row
from steps import step_times, task
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from monai_kd.networks import FlipAverage, PretrainedUNet, StudentUNet

CHANNELS = {"small": (8, 12, 16, 24, 32), "default": (16, 32, 48, 80, 128)}
FLOAT, SEEDS = "float32", 3
KINDS = ["channels-last", "bfloat16", "compile", "seeds"]
Step = Callable[[], object]
Batch = dict[str, Tensor]


def plain_step(student: nn.Module, batch: Batch, bfloat16: bool = False, forward: nn.Module | None = None) -> Step:
    """Of one student; ``forward`` may be its compiled form."""
    loss, optimizer = task(), torch.optim.AdamW(student.parameters(), 1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(batch["image"].device.type, torch.bfloat16, enabled=bfloat16):
            answer = (student if forward is None else forward)(batch["image"])
        loss(answer.float(), batch["label"]).backward()
        optimizer.step()

    return step


def channels_last(channels: tuple[int, ...], batch: Batch, bfloat16: bool = False) -> Step:
    """The channels of a pixel side by side."""
    form = torch.channels_last
    image = batch["image"].expand(-1, 1, -1, -1).to(memory_format=form)
    return plain_step(student_of(channels, batch).to(memory_format=form), {**batch, "image": image}, bfloat16)


def stacked_step(channels: tuple[int, ...], batch: Batch) -> Step:
    """Of several students in one graph."""
    students = [student_of(channels, batch) for _ in range(SEEDS)]
    weights, buffers = stack_module_state(students)  # type: ignore[arg-type]
    loss, optimizer = task(), torch.optim.AdamW(weights.values(), 1e-3, fused=True)

    def answer(weights: dict[str, Tensor], buffers: dict[str, Tensor], image: Tensor) -> Tensor:
        given: Tensor = functional_call(students[0], (weights, buffers), (image,))
        return given

    def step() -> None:
        optimizer.zero_grad()
        answers = torch.vmap(answer, in_dims=(0, 0, None))(weights, buffers, batch["image"])
        torch.stack([loss(one, batch["label"]) for one in answers]).sum().backward()
        optimizer.step()

    return step


def student_of(channels: tuple[int, ...], batch: Batch) -> nn.Module:
    return StudentUNet(2, 1, 2, channels=channels).to(batch["image"].device)


def students_steps(channels: tuple[int, ...], batch: Batch) -> dict[str, Step]:
    """By name."""
    plain = student_of(channels, batch)
    return {
        FLOAT: plain_step(student_of(channels, batch), batch),
        "channels-last": channels_last(channels, batch),
        "bfloat16": plain_step(student_of(channels, batch), batch, bfloat16=True),
        "bfloat16, channels-last": channels_last(channels, batch, bfloat16=True),
        "torch.compile": plain_step(plain, batch, forward=torch.compile(plain)),
        f"{SEEDS} seeds in one graph, each": stacked_step(channels, batch),
    }


def teachers_answers(batch: Batch) -> dict[str, Step]:
    """The mean of image and mirror image, as a cache stores it."""
    teacher = FlipAverage(PretrainedUNet(1, 2, pretrained=False)).to(batch["image"].device).eval()

    def answer(bfloat16: bool) -> Step:
        def step() -> None:
            with torch.inference_mode(), torch.autocast(batch["image"].device.type, torch.bfloat16, enabled=bfloat16):
                teacher(batch["image"])

        return step

    return {FLOAT: answer(False), "bfloat16": answer(True)}


def print_table(made: dict[str, Step], batch: Batch, arguments: argparse.Namespace, what: str) -> None:
    """Those of the chosen kinds, in turns."""
    chosen = (FLOAT, *(arguments.only or KINDS))
    steps = {name: step for name, step in made.items() if any(kind in name for kind in chosen)}
    share = {name: SEEDS if name.startswith(str(SEEDS)) else 1 for name in steps}
    timed = {name: step_times(step, batch["image"].device) for name, step in steps.items()}
    for one in timed.values():
        one()  # compiles, and makes room
    found = [{name: one() / share[name] for name, one in timed.items()} for _ in range(arguments.rounds)]
    print(f"| {what} | ms: median (p10–p90) | this / {FLOAT} |\n| --- | --- | --- |")
    for name in steps:
        ratio = statistics.median(times[name] / times[FLOAT] for times in found)
        print(table_row(name, found, f"{ratio:.2f}"))


def main() -> None:
    arguments = read_arguments(str(__doc__), side=96, student=list(CHANNELS), only=KINDS)
    batch = random_batch(arguments)
    for name in arguments.student or CHANNELS:
        size = sum(weight.numel() for weight in StudentUNet(2, 1, 2, channels=CHANNELS[name]).parameters())
        print_table(students_steps(CHANNELS[name], batch), batch, arguments, f"student of {size / 1e6:.2g} M: a step")
        print()
    print_table(teachers_answers(batch), batch, arguments, "averaged teacher's answers")


if __name__ == "__main__":
    main()
