# SPDX-License-Identifier: Apache-2.0
"""
What capturing the output of a layer costs.

    python tests/benchmarks/hooks.py [--pair default] [--threads 2] [--batch 16] [--side 128] [--rounds 20]

A student's training step with 0, 1, 4 and 16 captured layers, which are read after every step, in turns; and the same
hooks on a network of identities, whose forward pass costs nothing else: what a hook takes, in microseconds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from in_turns import random_batch, read_arguments, table_row
from pairs import PAIRS
from steps import step_times, task
from torch import Tensor, nn

from monai_kd import FeatureHooks, layer_shapes
from monai_kd.benchmark.timing import in_turns

COUNTS = (0, 1, 4, 16)
LAYERS = 200  # of the network of identities


def captured_step(student: nn.Module, batch: dict[str, Tensor], count: int) -> Callable[[], object]:
    """A training step that captures so many layers."""
    named = [name for name in layer_shapes(student, batch["image"][:1]) if name][-count:] if count else []
    optimizer = torch.optim.AdamW(student.parameters(), 1e-3)
    hooks, loss = FeatureHooks(student, named).__enter__(), task()

    def step() -> object:
        optimizer.zero_grad()
        total = loss(student(batch["image"]), batch["label"])
        features = hooks.pop()
        total.backward()
        optimizer.step()
        return features

    return step


def microseconds_per_hook(batch: dict[str, Tensor], rounds: int) -> float:
    """From passes through many identities with and without hooks."""
    networks = [nn.Sequential(*(nn.Identity() for _ in range(LAYERS))) for _ in range(2)]
    hooks = FeatureHooks(networks[1], [str(index) for index in range(LAYERS)]).__enter__()
    device = batch["image"].device
    timers = {
        "without": step_times(lambda: networks[0](batch["image"]), device),
        "with": step_times(lambda: (networks[1](batch["image"]), hooks.pop()), device),
    }
    taken = [times["with"] - times["without"] for times in in_turns(timers, rounds)]
    return 1000 * statistics.median(taken) / LAYERS


def main() -> None:
    arguments = read_arguments(__doc__, side=128, pair=list(PAIRS))
    pair, batch = PAIRS[arguments.pair], random_batch(arguments)
    device = batch["image"].device
    timers = {}
    for count in COUNTS:
        torch.manual_seed(0)
        step = captured_step(pair.student().to(device), batch, count)
        timers[f"captured layers: {count}"] = step_times(step, device)
    rounds = list(in_turns(timers, arguments.rounds))
    print("| training step with | ms: median (p10–p90) | measured, per layer | from one hook's time, per layer |")
    print("| --- | --- | --- | --- |")
    plain, one = next(iter(timers)), microseconds_per_hook(batch, arguments.rounds)
    median = statistics.median(times[plain] for times in rounds)
    for count, name in zip(COUNTS, timers, strict=True):
        more = statistics.median(times[name] / times[plain] - 1 for times in rounds) / max(count, 1)
        cells = f"{100 * more:+.2f} % | {one / median / 10:.4f} %" if count else " | "
        print(table_row(name, rounds, cells))
    print(f"\nOne hook takes {one:.1f} µs.")


if __name__ == "__main__":
    main()
