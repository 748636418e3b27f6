# SPDX-License-Identifier: Apache-2.0
"""Training steps: how they are made of a pair of networks, and timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from pairs import Pair
from torch import Tensor, nn

from monai_kd import Pathway, Pathways
from monai_kd.losses import LogitsKLLoss

STEPS = 5


def now(device: torch.device) -> float:
    """Seconds, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def step_times(step: Callable[[], object], device: torch.device) -> Callable[[], float]:
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

    # When the batch is there, before any handler of the iteration.
    trainer.add_event_handler(Events.GET_BATCH_COMPLETED, lambda engine: started.__setitem__(0, now(device)))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: times.append(now(device) - started[0]))

    def run() -> float:
        times.clear()
        trainer.state.epoch = trainer.state.iteration = 0
        trainer.run()
        return 1000 * statistics.median(times)

    return run


def task(classes: int = 2) -> nn.Module:
    """The supervised loss."""
    return DiceCELoss(softmax=True, to_onehot_y=classes > 1)


def logits(pair: Pair) -> Pathways:
    """Distillation of the answers."""
    return Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5))


def logits_and_hidden(pair: Pair) -> Pathways:
    """And of the deepest layer."""
    hidden = Pathway(nn.MSELoss(), pair.student_layer, pair.teacher_layer, student_adapter=pair.adapter())
    return Pathways(logits=Pathway(LogitsKLLoss(), weight=0.5), hidden=hidden)


def of_trainer(pair: Pair, batch: dict[str, Tensor], pathways: Pathways | None = None) -> dict[str, Any]:
    """The arguments that MONAI's trainer and ours share; and the pathways, if there are any."""
    device = batch["image"].device
    torch.manual_seed(0)
    student = pair.student().to(device)
    weights = [*student.parameters(), *(pathways.to(device).parameters() if pathways else [])]
    return {
        "network": student,
        "optimizer": torch.optim.AdamW(weights, 1e-3),
        "loss_function": task(pair.classes),
        "device": device,
        "max_epochs": 1,
        "train_data_loader": [dict(batch) for _ in range(STEPS)],
        **({"pathways": pathways, "supervised_weight": 0.5} if pathways else {}),
    }


def floor_trainer(pair: Pair, teacher: nn.Module, batch: dict[str, Tensor], **arguments: Any) -> SupervisedTrainer:
    """The student's own step, and the teacher's forward pass in it: alone, that would find the allocator warm."""
    trainer = SupervisedTrainer(**of_trainer(pair, batch), **arguments)

    def forward_teacher(engine: SupervisedTrainer) -> None:
        with torch.no_grad():
            teacher(engine.state.output["image"])

    trainer.add_event_handler(IterationEvents.LOSS_COMPLETED, forward_teacher)
    return trainer
