# SPDX-License-Identifier: Apache-2.0
"""What all trainings of ``time_to_dice.py`` share: images, teacher, first weights, order of images, and clock."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from catalogue import CONFIGS
from monai.bundle import ConfigParser
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.utils.data import RandomSampler

from monai_kd import load_weights
from monai_kd.data import choose_split, read_dataset
from monai_kd.data.splits.few_labels import keep_labels
from monai_kd.engines import PrepareBatchViews
from monai_kd.losses import LogitsKLLoss, SoftDiceLoss
from monai_kd.networks import PretrainedUNet, StudentUNet
from monai_kd.phantom import write_phantoms

CHANNELS = (8, 12, 16, 24, 32)
RATE = 2e-3


class Setup:
    """
    What is made once, and kept in a folder.

    Args:
        arguments: of the command line: ``dataset_dir``, ``images``, ``labels``, ``side``, ``batch``, ``epochs``,
            ``steps`` and ``teacher_epochs``.
        folder: for synthetic images and the teacher.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.folder, self.arguments = folder, arguments
        self.side, self.batch = arguments.side, arguments.batch
        self.epochs, self.steps = arguments.epochs, arguments.steps
        self.dataset_dir = arguments.dataset_dir or folder / "phantoms"
        if arguments.dataset_dir is None and not self.dataset_dir.exists():
            write_phantoms(self.dataset_dir, count=arguments.images)
        self.teacher()

    def __str__(self) -> str:
        counts = [len(self.split[part]) for part in ("training", "unlabelled", "validation")]
        parts = "{} labelled, {} unlabelled and {} validation images".format(*counts)
        return f"{parts} of {self.side}×{self.side}, batch {self.batch}"

    @cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """By id; those with one mask, as stock MONAI loads them."""
        records = {record["id"]: record for record in read_dataset(self.dataset_dir)}
        return {key: record for key, record in records.items() if not isinstance(record["label"], list)}

    @cached_property
    def split(self) -> dict[str, list[str]]:
        """No image is tested here, so the part for tests is validated, too."""
        parts = choose_split(self.dataset_dir)
        kept = {part: [key for key in ids if key in self.records] for part, ids in parts.items()}
        kept["validation"] += kept.pop("test")
        return dict(keep_labels({**kept, "test": []}, list(self.records.values()), self.arguments.labels))

    def order(self, seed: int, images: int, samples: int | None = None) -> RandomSampler:
        """The images of each epoch, in the same order for every candidate; by default for all steps of an epoch."""
        generator = torch.Generator().manual_seed(seed)
        return RandomSampler(range(images), num_samples=samples or self.steps * self.batch, generator=generator)

    def student(self, seed: int) -> nn.Module:
        """With the first weights of this seed."""
        torch.manual_seed(seed)
        return StudentUNet(2, 1, 2, channels=CHANNELS)

    def teacher(self) -> nn.Module:
        """Trained on the labelled images at the first call, then read."""
        network = PretrainedUNet(1, 2, pretrained=False)
        file = self.folder / "teacher.pt"
        if not file.exists():
            self._train_teacher(file)
        load_weights(network, file)
        return network.eval()

    def _train_teacher(self, file: Path) -> None:
        output = self.folder / "teacher"
        parser = self.config("train_teacher.json", "recipes/patient.json", output=output, seed=0)
        epochs = self.arguments.teacher_epochs
        parser.update({"max_epochs": epochs, "val_interval": epochs, "checkpoint": str(file)})
        parser.get_parsed_content("train#trainer").run()

    def config(self, *names: str, output: Path, seed: int) -> ConfigParser:
        """The bundle's configs with this benchmark's images and sizes."""
        parser = ConfigParser()
        parser.read_config([str(CONFIGS / name) for name in names])
        parser.update(
            {
                "output_dir": str(output),
                "checkpoint": str(output / "model.pt"),
                "bundle_root": str(output),
                "dataset_dir": str(self.dataset_dir),
                "split": self.split,
                "seed": seed,
                "spatial_size": [self.side, self.side],
                "batch_size": self.batch,
                "steps_per_epoch": self.steps,
                "max_epochs": self.epochs,
                "val_interval": 1,
                "patience": 10_000,
                "learning_rate": RATE,
                "use_tensorboard": False,
                "quiet": True,
                "resume": False,
            }
        )
        return parser

    def views(self) -> PrepareBatchViews:
        """The student's view of the recipe, which the teacher sees, too."""
        parser = self.config("train_student.json", "recipes/patient.json", output=self.folder, seed=0)
        views: PrepareBatchViews = parser.get_parsed_content("views")
        return views


class Course:
    """Seconds since this was made, and the Dice of each validation."""

    def __init__(self) -> None:
        self.started, self.used = time.perf_counter(), time.process_time()
        self.points: list[tuple[float, float]] = []

    def note(self, dice: float) -> None:
        self.points.append((round(time.perf_counter() - self.started, 3), round(float(dice), 5)))

    def row(self, **named: Any) -> str:
        """A line of JSON; ``cores`` is the processor's time over the clock's, which tells of a disturbed run."""
        cores = (time.process_time() - self.used) / (time.perf_counter() - self.started)
        return json.dumps({**named, "cores": round(cores, 2), "points": self.points})


def task() -> Callable[[Tensor, Tensor], Tensor]:
    """The supervised loss of the recipe; a negative label is that of an image without one."""
    loss = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)

    def labelled(answer: Tensor, label: Tensor) -> Tensor:
        chosen = label.flatten(1)[:, 0] >= 0
        return loss(answer[chosen], label[chosen]) if chosen.any() else 0 * answer.sum()

    return labelled


class Distil(nn.Module):
    """Both terms of the recipe, of equal weight."""

    def __init__(self) -> None:
        super().__init__()
        self.terms = nn.ModuleList([LogitsKLLoss(2.0), SoftDiceLoss()])

    def forward(self, answer: Tensor, target: Tensor) -> Tensor:
        return torch.stack([term(answer, target) for term in self.terms]).sum()
