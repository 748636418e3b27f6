# SPDX-License-Identifier: Apache-2.0
"""
What a distillation step costs above its floor: the student's own step plus the teacher's forward pass.

    python tests/benchmarks/distillation_step.py [--threads 2] [--batch 16] [--side 128] [--rounds 20]

Plain and distilling trainers take turns on the same batch in one process, so that the machine's moods meet all of them.
The teacher's forward pass is timed inside the loop, as floor - plain: alone, it would find the memory allocator warm.
The overhead is (distillation step - teacher forward) / (plain student step). The last rows are the same logits
distilled by a loop by hand and by other toolkits, where they are installed; the last column is our time over theirs.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import torch
from ignite.engine import Events
from in_turns import random_batch, read_arguments, table_row
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from peers import Step, available

from monai_kd import DistillationTrainer, LogitsKLLoss, Pathway, Pathways
from monai_kd.export.timing import in_turns
from monai_kd.networks import ChannelAdapter, StudentUNet

STEPS = 5


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def step_times(step: Step, device: torch.device) -> Callable[[], float]:
    """A function that makes a few steps and gives their median time in milliseconds."""

    def timed() -> float:
        started = now(device)
        step()
        return now(device) - started

    return lambda: 1000 * statistics.median(timed() for _ in range(STEPS))


def iteration_times(trainer: SupervisedTrainer, device: torch.device) -> Callable[[], float]:
    """A function that runs a few steps of a trainer and gives their median time in milliseconds."""
    times: list[float] = []
    started = [0.0]

    trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: started.__setitem__(0, now(device)))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: times.append(now(device) - started[0]))

    def run() -> float:
        times.clear()
        trainer.state.epoch = trainer.state.iteration = 0
        trainer.run()
        return 1000 * statistics.median(times)

    return run


def main() -> None:
    arguments = read_arguments(__doc__, side=128)
    batch = random_batch(arguments)
    device = batch["image"].device
    widths = (14, 28, 56, 112, 224, 448)
    teacher = UNet(2, 1, 2, channels=widths, strides=(2,) * 5, num_res_units=2).to(device).eval()

    def common(pathways: Pathways | None = None) -> dict[str, object]:
        torch.manual_seed(0)
        student = StudentUNet(2, 1, 2).to(device)
        weights = [*student.parameters(), *(pathways.parameters() if pathways else [])]
        return {
            "network": student,
            "optimizer": torch.optim.AdamW(weights, 1e-3),
            "loss_function": DiceCELoss(softmax=True, to_onehot_y=True),
            "device": device,
            "max_epochs": 1,
            "train_data_loader": [batch] * STEPS,
        }

    logits = Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5)).to(device)
    hidden = Pathways(
        logits=Pathway(LogitsKLLoss(), weight=0.5),
        hidden=Pathway(
            torch.nn.MSELoss(),
            "encoder",
            ".".join(["model"] + ["1.submodule"] * 5),
            student_adapter=ChannelAdapter(2, 128, widths[-1]),
        ),
    ).to(device)
    runs = {
        "plain student step": SupervisedTrainer(**common()),
        "plain step + teacher forward (the floor)": SupervisedTrainer(**common()),
        "distillation, logits": DistillationTrainer(teacher=teacher, pathways=logits, **common()),
        "distillation, logits and hidden": DistillationTrainer(teacher=teacher, pathways=hidden, **common(hidden)),
    }

    def forward_teacher(engine: SupervisedTrainer) -> None:
        with torch.no_grad():
            teacher(engine.state.output["image"])

    runs["plain step + teacher forward (the floor)"].add_event_handler(IterationEvents.LOSS_COMPLETED, forward_teacher)
    timers = {name: iteration_times(trainer, device) for name, trainer in runs.items()}
    for name, make in available().items():
        torch.manual_seed(0)
        student = StudentUNet(2, 1, 2).to(device)
        task = DiceCELoss(softmax=True, to_onehot_y=True)
        timers[name] = step_times(make(student, copy.deepcopy(teacher), batch, task, LogitsKLLoss()), device)
    rounds = list(in_turns(timers, arguments.rounds))
    print("| step | ms: median (p10–p90) | (step − teacher forward) / plain step | ours / this |")
    print("| --- | --- | --- | --- |")
    plain, floor, ours = list(timers)[:3]
    for name in timers:
        overhead = statistics.median(1 + (times[name] - times[floor]) / times[plain] for times in rounds)
        ratio = statistics.median(times[ours] / times[name] for times in rounds)
        last = f"{overhead:.3f} | {ratio:.3f}" if name not in (plain, floor) else " | "
        print(table_row(name, rounds, last))


if __name__ == "__main__":
    main()
