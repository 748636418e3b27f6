# SPDX-License-Identifier: Apache-2.0
"""
What a distillation step costs above its floor, the student's own step plus the teacher's forward pass; and elsewhere.

    python tests/benchmarks/distillation_step.py [--pair default] [--threads 2] [--batch 16] [--side 128] [--rounds 20]

Plain and distilling trainers take turns on the same batch in one process, so that the machine's moods meet all of them.
The overhead is (step - floor) / (plain student step). The last rows are the same losses in a loop by hand and in other
toolkits, where they are installed; the last column is our time over theirs.
"""

from __future__ import annotations

import copy
import statistics

import torch
from in_turns import random_batch, read_arguments, table_row
from monai.engines import SupervisedTrainer
from pairs import PAIRS
from peers import available
from steps import floor_trainer, iteration_times, logits, logits_and_hidden, of_trainer, step_times, task

from monai_kd import DistillationTrainer
from monai_kd.benchmark.timing import in_turns
from monai_kd.losses import LogitsKLLoss


def main() -> None:
    arguments = read_arguments(__doc__, side=128, pair=list(PAIRS))
    pair, batch = PAIRS[arguments.pair], random_batch(arguments)
    device = batch["image"].device
    teacher = pair.teacher().to(device)
    print(f"{pair}.\n")
    runs = {
        "plain student step": SupervisedTrainer(**of_trainer(pair, batch)),
        "plain step + teacher's forward pass: the floor": floor_trainer(pair, teacher, batch),
        "**monai_kd, logits**": DistillationTrainer(teacher=teacher, **of_trainer(pair, batch, logits(pair))),
        "**monai_kd, logits and hidden**": DistillationTrainer(
            teacher=teacher, **of_trainer(pair, batch, logits_and_hidden(pair))
        ),
    }
    timers = {name: iteration_times(trainer, device) for name, trainer in runs.items()}
    for name, make in available().items():
        torch.manual_seed(0)
        student = pair.student().to(device)
        step = make(student, copy.deepcopy(teacher), lambda: batch, task(), LogitsKLLoss())
        timers[f"{name}, logits"] = step_times(step, device)
    rounds = list(in_turns(timers, arguments.rounds))
    print("| step | ms: median (p10–p90) | (step − floor) / plain step | ours, logits / this |")
    print("| --- | --- | --- | --- |")
    plain, floor, ours = list(timers)[:3]
    for name in timers:
        overhead = statistics.median((times[name] - times[floor]) / times[plain] for times in rounds)
        ratio = statistics.median(times[ours] / times[name] for times in rounds)
        last = f"{100 * overhead:+.1f} % | {ratio:.3f}" if name not in (plain, floor) else f" | {ratio:.3f}"
        print(table_row(name, rounds, last))


if __name__ == "__main__":
    main()
