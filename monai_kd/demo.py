# SPDX-License-Identifier: Apache-2.0
"""The whole way on synthetic images: teacher, student alone, student distilled, side by side."""

from __future__ import annotations

import csv
import json
import logging
import statistics
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import nn

from monai_kd.data import partition, write_phantoms
from monai_kd.figures import comparison

__all__ = ["run_demo"]

PHANTOMS = 163
# The teacher has a hundred times the student's parameters; both are small, so that two cores train all in minutes.
SETTINGS: dict[str, Any] = {
    "spatial_size": [96, 96],
    "teacher_channels": [16, 32, 64, 128, 256],
    "learning_rate": 0.002,
    "student_channels": [4, 8, 16, 24],
}


@dataclass
class Model:
    """One row of the demo's table: the configs that train and evaluate it, and its folder."""

    name: str
    train: str
    evaluate: tuple[str, ...]
    folder: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "model.pt"


class _Bundle:
    """Runs the bundle's configs as ``python -m monai.bundle run`` does, in this process, under one progress display."""

    def __init__(self, root: Path, console: Console, **arguments: Any) -> None:
        self.root, self.arguments = root, {"bundle_root": str(root), "quiet": True, **arguments}
        columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=console)

    def train(self, model: Model, **arguments: Any) -> None:
        workflow = self._workflow("train", (model.train,), model, output_dir=str(model.folder), **arguments)
        trainer, validator = workflow.trainer, workflow.evaluator
        task = self.progress.add_task(model.name, total=trainer.state.max_epochs, note="")

        def show(engine: Any) -> None:
            note = f"validation Dice {validator.state.best_metric:.3f}"
            self.progress.update(task, completed=engine.state.epoch, note=note)

        trainer.add_event_handler(Events.EPOCH_COMPLETED, show)
        workflow.run()
        show(trainer)  # also for a run that had ended before
        workflow.finalize()

    def evaluate(self, model: Model) -> nn.Module:
        workflow = self._workflow("eval", model.evaluate, model, output_dir=str(model.folder / "evaluation"))
        evaluator = workflow.evaluator
        task = self.progress.add_task(f"Test: {model.name}", total=len(evaluator.data_loader), note="")
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: self.progress.advance(task))
        workflow.run()
        workflow.finalize()
        network: nn.Module = workflow.network_def
        return network

    def _workflow(self, kind: str, configs: tuple[str, ...], model: Model, **arguments: Any) -> Any:
        files = [str(self.root / "configs" / f"{name}.json") for name in configs]
        workflow = ConfigWorkflow(
            config_file=files,
            logging_file=False,
            workflow_type=kind,
            **{**self.arguments, "checkpoint": str(model.checkpoint), **arguments},
        )
        workflow.initialize()
        return workflow


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
    bundle = _Bundle(bundle_root, console, dataset_dir=str(phantoms), device=torch.device("cpu"), **SETTINGS)
    with _quiet(), bundle.progress as progress:
        if not phantoms.is_dir():
            task = progress.add_task("Phantoms", total=PHANTOMS, note="synthetic images")
            write_phantoms(phantoms, PHANTOMS, progress=lambda done: progress.update(task, completed=done))
        for model in models:
            extra = {"teacher_checkpoint": str(teacher.checkpoint)} if model.train == "train" else {}
            bundle.train(model, seed=seed, max_epochs=epochs, use_tensorboard=False, **extra)
        networks = [bundle.evaluate(model) for model in models]
    _report(models, networks, phantoms, output_dir, console)


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


def _report(models: list[Model], networks: list[nn.Module], phantoms: Path, output_dir: Path, console: Console) -> None:
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    table = Table(caption="Test images: mean ± standard deviation; HD95 in pixels; ms per image on one CPU thread")
    for column in ("Model", "Parameters", "Ratio", "Dice (%)", "HD95", "ms"):
        table.add_column(column, justify="left" if column == "Model" else "right")
    for model, network, size in zip(models, networks, sizes, strict=True):
        summary = json.loads((model.folder / "evaluation" / "summary.json").read_text())
        table.add_row(
            model.name,
            f"{size:,}",
            f"1/{sizes[0] / size:.0f}",
            _plus_minus(summary["dice"], 100),
            _plus_minus(summary["hd95"]),
            f"{_milliseconds(network):.1f}",
        )
    console.print(table)
    scores = [_dice(model) for model in models]
    console.print(_verdict(scores))
    order = sorted(scores[1], key=lambda name: scores[1][name])
    shown = [order[round(share * (len(order) - 1))] for share in (0.1, 0.35, 0.65, 0.9)]
    records = {record["id"]: record for part in partition(phantoms, check=False).values() for record in part}
    titles = {model.name: model.folder / "evaluation" / "overlays" for model in models}
    comparison([records[name] for name in shown], titles, scores, output_dir / "report.png")
    console.print(f"Contours of four test images: {output_dir / 'report.png'}")


def _plus_minus(score: dict[str, float | None], factor: int = 1) -> str:
    values = (score["mean"], score["std"])  # null where it is undefined
    return " ± ".join("–" if value is None else f"{factor * value:.1f}" for value in values)


def _dice(model: Model) -> dict[str, float]:
    with (model.folder / "evaluation" / "scores.csv").open(newline="") as file:
        return {row["id"]: float(row["dice"]) for row in csv.DictReader(file)}


def _verdict(scores: list[dict[str, float]]) -> str:
    teacher, alone, distilled = (100 * statistics.fmean(score.values()) for score in scores)
    better = sum(scores[2][name] > scores[1][name] for name in scores[1])
    change = (
        f"Distillation changed the student's Dice by {distilled - alone:+.1f} points; it is better on {better} of "
        f"{len(scores[1])} images."
    )
    if distilled <= alone:
        return f"{change} It did not help here."
    if teacher > alone:
        return f"{change} That is {100 * (distilled - alone) / (teacher - alone):.0f} % of the gap to the teacher."
    return change


def _milliseconds(network: nn.Module) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    image = torch.rand(1, 1, *SETTINGS["spatial_size"])
    times = []
    try:
        with torch.inference_mode():
            for _ in range(60):
                start = time.perf_counter()
                network.eval()(image)
                times.append(1000 * (time.perf_counter() - start))
    finally:
        torch.set_num_threads(threads)
    return statistics.median(times[10:])
