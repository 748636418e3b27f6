# SPDX-License-Identifier: Apache-2.0
"""The whole way on synthetic images: teacher, student alone, student distilled, side by side."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from monai_kd.data import write_phantoms
from monai_kd.demo.report import report
from monai_kd.demo.runs import DemoBundle, Model

__all__ = ["run_demo"]

PHANTOMS = 163
# The teacher has a hundred times the student's parameters; both are small, so that two cores train all in minutes.
SETTINGS: dict[str, Any] = {
    "spatial_size": [96, 96],
    "teacher_channels": [16, 32, 64, 128, 256],
    "learning_rate": 0.002,
    "student_channels": [4, 8, 16, 24],
}


def run_demo(output_dir: Path, bundle_root: Path, seed: int, epochs: int, console: Console) -> None:
    """
    Make phantoms, train and evaluate the three models by the bundle, print a table and write ``report.png``.

    What is there already is used again: phantoms, finished trainings, and a killed one from its last epoch.

    Args:
        output_dir: folder of everything the demo writes.
        bundle_root: the bundle's folder.
        seed: of training; the phantoms are always the same.
        epochs: of every training.
        console: where progress and table are printed.

    Raises:
        FileNotFoundError: When there is no bundle at ``bundle_root``.
    """
    if not (bundle_root / "configs" / "train.json").is_file():
        raise FileNotFoundError(f"No bundle at '{bundle_root}'. Run from the repository's root, or give --bundle-root.")
    phantoms = output_dir / "phantoms"
    runs = output_dir / f"seed-{seed}-epochs-{epochs}"
    teacher = Model("Teacher", "train_teacher", ("evaluate", "teacher"), runs / "teacher")
    models = [
        teacher,
        Model("Student alone", "train_student", ("evaluate",), runs / "student"),
        Model("Student distilled", "train", ("evaluate",), runs / "distilled"),
    ]
    bundle = DemoBundle(bundle_root, console, dataset_dir=str(phantoms), device=torch.device("cpu"), **SETTINGS)
    with _quiet(), bundle.progress as progress:
        if not phantoms.is_dir():
            task = progress.add_task("Phantoms", total=PHANTOMS, note="synthetic images")
            write_phantoms(phantoms, PHANTOMS, progress=lambda done: progress.update(task, completed=done))
        for model in models:
            extra = {"teacher_checkpoint": str(teacher.checkpoint)} if model.train == "train" else {}
            bundle.train(model, seed=seed, max_epochs=epochs, use_tensorboard=False, **extra)
        networks = [bundle.evaluate(model) for model in models]
    report(models, networks, bundle.arguments, output_dir, console)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log lines and warnings of libraries, which would tear the progress display."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
