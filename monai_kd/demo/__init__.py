# SPDX-License-Identifier: Apache-2.0
"""A whole distillation on synthetic images: teacher, student alone and distilled student, side by side."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.demo.report import report
from monai_kd.demo.runs import DemoBundle, Model
from monai_kd.phantom import write_phantoms

__all__ = ["run_demo"]

PHANTOMS = 163
# Few labels and a pool of unlabelled images: here a teacher tells the student more than the labels do.
SETTINGS: dict[str, Any] = {"spatial_size": [96, 96], "student_channels": [8, 12, 16, 24, 32]}
TRAINING: dict[str, Any] = {"labels": 24, "steps_per_epoch": 50, "use_tensorboard": False}
TEACHER_SHARE = 5  # a network that starts from ImageNet weights needs a fifth of the student's steps


def run_demo(output_dir: Path, bundle_root: Path, seed: int, epochs: int, console: Console) -> None:
    """
    Make phantoms, train and evaluate three models on them, print a table and a verdict, and draw ``report.png``.

    Only a few phantoms keep their labels. Existing phantoms and finished trainings are used again; a killed training
    resumes from its last epoch.

    Args:
        output_dir: folder of everything that the demo writes.
        bundle_root: the bundle's folder.
        seed: of training; the phantoms are always the same.
        epochs: of each student's training, 50 steps each.
        console: prints the progress and the table.

    Raises:
        FileNotFoundError: When there is no bundle at ``bundle_root``.
        ImportError: When the package with the teacher's ImageNet weights is not installed.
    """
    if not BundleFolder(bundle_root).has("train"):
        raise FileNotFoundError(f"'{bundle_root}' has no config 'train'. Name the folder of a bundle that trains.")
    phantoms = output_dir / "phantoms"
    runs = output_dir / f"seed-{seed}-epochs-{epochs}"
    teacher = Model(
        "Teacher",
        ("train_teacher", "recipes/patient"),
        ("evaluate", "teacher"),
        runs / "teacher",
        max(1, epochs // TEACHER_SHARE),
    )
    distilled = ("train", "recipes/few_labels")
    models = [
        teacher,
        Model("Student alone", ("train_student", "recipes/patient"), ("evaluate",), runs / "student", epochs),
        Model("Student distilled", distilled, ("evaluate",), runs / "distilled", epochs),
    ]
    bundle = DemoBundle(bundle_root, console, dataset_dir=str(phantoms), device=torch.device("cpu"))
    with _quiet(), bundle.progress as progress:
        if not phantoms.is_dir():
            task = progress.add_task("Phantoms", total=PHANTOMS, note="synthetic images")
            write_phantoms(phantoms, PHANTOMS, progress=lambda done: progress.update(task, completed=done))
        for model in models:
            extra = {"teacher_checkpoint": str(teacher.checkpoint)} if model.train == distilled else {}
            bundle.train(model, seed=seed, **SETTINGS, **TRAINING, **extra)
        networks = [bundle.evaluate(model) for model in models]
    report(models, networks, {**bundle.arguments, **SETTINGS}, output_dir, console, TRAINING["labels"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress log lines and warnings of libraries, which would break the progress display."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
