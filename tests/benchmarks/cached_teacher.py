# SPDX-License-Identifier: Apache-2.0
"""
What a step with a cached teacher costs, beside the plain student step, the live teacher and other toolkits.

    python tests/benchmarks/cached_teacher.py [--pair default] [--threads 2] [--batch 16] [--side 128] [--rounds 20]

Every step makes the student's batched view, the other toolkits' too; these have no cache that bears augmentation, so
their teacher is run on every view. All take turns on the same batch in one process, so that the machine's moods meet
all of them. A ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import copy
import statistics
from typing import Any

import torch
from in_turns import random_batch, read_arguments, table_row
from monai.engines import SupervisedTrainer
from pairs import PAIRS, Pair
from peers import available
from steps import floor_trainer, iteration_times, logits, logits_and_hidden, of_trainer, step_times, task
from torch import Tensor, nn

from monai_kd import CachedTeacher, DistillationTrainer
from monai_kd.benchmark.timing import in_turns
from monai_kd.engines import PrepareBatchViews
from monai_kd.losses import LogitsKLLoss
from monai_kd.transforms import BatchRandAffine, BatchRandFlip, BatchRandGaussianNoise, View

STUDENT = View(
    [BatchRandFlip(0.5, spatial_axis=0), BatchRandAffine(1.0, rotate_range=0.3, scale_range=[0.2, 0.2])],
    [BatchRandGaussianNoise(0.5)],
)


def trainers(pair: Pair, teacher: nn.Module, batch: dict[str, Tensor]) -> dict[str, SupervisedTrainer]:
    """The plain step and the floor first."""
    own: dict[str, Any] = {"prepare_batch": PrepareBatchViews(STUDENT, teacher=View(), aligned=True)}
    shared: dict[str, Any] = {"prepare_batch": PrepareBatchViews(STUDENT)}

    def distilling(network: nn.Module | CachedTeacher, pathways: Any) -> DistillationTrainer:
        view = own if isinstance(network, CachedTeacher) else shared
        return DistillationTrainer(teacher=network, **of_trainer(pair, batch, pathways), **view)

    return {
        "plain student step": SupervisedTrainer(**of_trainer(pair, batch), **shared),
        "plain step + teacher's forward pass": floor_trainer(pair, teacher, batch, **shared),
        "**monai_kd, cached teacher, logits**": distilling(CachedTeacher(teacher, [""]), logits(pair)),
        "**monai_kd, cached teacher, logits and hidden**": distilling(
            CachedTeacher(teacher, ["", pair.teacher_layer]), logits_and_hidden(pair)
        ),
        "**monai_kd, live teacher, logits**": distilling(teacher, logits(pair)),
    }


def main() -> None:
    arguments = read_arguments(__doc__, side=128, pair=list(PAIRS))
    pair, batch = PAIRS[arguments.pair], random_batch(arguments)
    device = batch["image"].device
    teacher = pair.teacher().to(device)
    print(f"{pair}.\n")
    timers = {name: iteration_times(one, device) for name, one in trainers(pair, teacher, batch).items()}
    prepare = PrepareBatchViews(STUDENT)

    def augmented() -> dict[str, Tensor]:
        image, label = prepare(batch, device)
        return {"image": image, "label": label}

    for name, make in available().items():
        torch.manual_seed(0)
        student = pair.student().to(device)
        step = make(student, copy.deepcopy(teacher), augmented, task(), LogitsKLLoss())
        timers[f"{name}, live teacher, logits"] = step_times(step, device)
    rounds = list(in_turns(timers, arguments.rounds))
    print("| step | ms: median (p10–p90) | this / plain student step | ours, cached, logits / this |")
    print("| --- | --- | --- | --- |")
    plain, _, cached = list(timers)[:3]
    for name in timers:
        to_plain = statistics.median(times[name] / times[plain] for times in rounds)
        ratio = statistics.median(times[cached] / times[name] for times in rounds)
        print(table_row(name, rounds, f"{to_plain:.3f} | {ratio:.3f}"))


if __name__ == "__main__":
    main()
