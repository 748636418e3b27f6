# SPDX-License-Identifier: Apache-2.0
"""A training run of a few hundred weights, built like the bundle's; and a program that kills itself midway."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from ignite.engine import Events
from monai.data import CacheDataset
from monai.engines import SupervisedEvaluator
from monai.handlers import LrScheduleHandler, MeanDice, from_engine
from monai.losses import DiceCELoss
from monai.transforms import AsDiscreted, Compose, RandAffined, RandFlipd, RandGaussianNoised
from torch import nn

from monai_kd import DistillationTrainer, Pathway, Pathways
from monai_kd.data import ThreadDataLoader
from monai_kd.handlers import (
    AtomicCheckpointSaver,
    FinalValidationHandler,
    PatienceHandler,
    ResumeHandler,
    SeedHandler,
)
from monai_kd.losses import LogitsKLLoss
from monai_kd.networks import ChannelAdapter

KEYS = ["image", "label"]
EPOCH_LENGTH = 3


@dataclass
class Run:
    """Everything a run changes."""

    folder: Path
    trainer: DistillationTrainer
    evaluator: SupervisedEvaluator
    objects: dict

    def train(self) -> Run:
        self.trainer.run()
        return self

    def state(self) -> dict:
        evaluated = self.evaluator.state
        return {
            **{name: obj.state_dict() for name, obj in self.objects.items()},
            "best metric": (evaluated.best_metric, evaluated.best_metric_epoch),
            "progress": (self.trainer.state.epoch, self.trainer.state.iteration),
            "best file": torch.load(self.folder / "model.pt", weights_only=True),
        }


def samples(count: int, seed: int) -> list[dict]:
    generator = torch.Generator().manual_seed(seed)
    images = [torch.rand((1, 16, 16), generator=generator) for _ in range(count)]
    return [{"image": image, "label": (image > 0.6).float()} for image in images]


def network(width: int, seed: int, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(width, 2, 1))


def validator(student: nn.Module, folder: Path) -> tuple[SupervisedEvaluator, AtomicCheckpointSaver]:
    best = AtomicCheckpointSaver(str(folder), {"model": student}, save_key_metric=True, key_metric_filename="model.pt")
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=ThreadDataLoader(CacheDataset(samples(2, 9), progress=False), batch_size=2, num_workers=0),
        network=student,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_val_metric={"dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))},
        val_handlers=[best],
    )
    return evaluator, best


def build(
    folder: Path,
    initial_seed: int = 1,
    max_epochs: int = 4,
    resume: bool = True,
    width: int = 4,
    patience: int = 20,
    learning_rate: float = 0.05,
    images: int = 2 * EPOCH_LENGTH,
    extra_objects: tuple[str, ...] = (),
    last: str = "last.pt",
    interval: int = 1,
) -> Run:
    student = network(width, initial_seed, dropout=0.3)
    pathways = Pathways(
        logits=Pathway(LogitsKLLoss(), weight=0.5),
        hint=Pathway(nn.MSELoss(), "0", student_adapter=ChannelAdapter(2, width, 6)),
    )
    transform = Compose(
        [
            RandFlipd(KEYS, prob=0.5, spatial_axis=0),
            RandAffined(KEYS, prob=1.0, rotate_range=0.3, mode=["bilinear", "nearest"]),
            RandGaussianNoised("image", prob=0.5),
        ]
    )
    data = CacheDataset(samples(images, 8), transform, progress=False)
    loader = ThreadDataLoader(data, batch_size=2, shuffle=True, num_workers=0)
    optimizer = torch.optim.AdamW([*student.parameters(), *pathways.parameters()], learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=max_epochs * len(loader))
    evaluator, best = validator(student, folder)
    objects = {"network": student, "optimizer": optimizer, "lr_scheduler": schedule, "pathways": pathways, "best": best}
    objects |= {name: nn.Linear(1, 1) for name in extra_objects}
    trainer = DistillationTrainer(
        network=student,
        teacher=network(6, 5),
        pathways=pathways,
        optimizer=optimizer,
        loss_function=DiceCELoss(softmax=True, to_onehot_y=True),
        supervised_weight=0.5,
        device=torch.device("cpu"),
        max_epochs=max_epochs,
        train_data_loader=loader,
        train_handlers=[
            SeedHandler(3, transform),
            LrScheduleHandler(schedule, print_lr=False, epoch_level=False),
            FinalValidationHandler(interval, evaluator),
            PatienceHandler(evaluator, patience),
            ResumeHandler(folder / last, objects, evaluator, resume),
        ],
    )
    return Run(folder, trainer, evaluator, objects)


def kill_in_step(run: Run, iteration: int) -> None:
    run.trainer.add_event_handler(
        Events.ITERATION_COMPLETED(once=iteration), lambda engine: os.kill(os.getpid(), signal.SIGKILL)
    )


def kill_in_writing(run: Run, epoch: int) -> None:
    """Half of the new ``last.pt`` is on the disk when the process dies."""
    save = torch.save

    def save_half(checkpoint, file):
        save(checkpoint, file)
        if "objects" in checkpoint and run.trainer.state.epoch == epoch:
            file.truncate(file.tell() // 2)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save_half


if __name__ == "__main__":
    # A child for each kill: the slow imports are done once.
    for name, kill, when in (("step", kill_in_step, 2 * EPOCH_LENGTH + 2), ("writing", kill_in_writing, 3)):
        child = os.fork()
        if child == 0:
            killed = build(Path(sys.argv[1]) / name)
            kill(killed, when)
            killed.train()
        _, status = os.waitpid(child, 0)
        print(name, os.waitstatus_to_exitcode(status), flush=True)
