# SPDX-License-Identifier: Apache-2.0
"""One model of the demo, and the bundle that trains and evaluates it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import nn

from monai_kd.bundle.bundle import BundleFolder

__all__ = ["DemoBundle", "Model"]


@dataclass
class Model:
    """
    One row of the demo's table: the configs that train and evaluate it, and its folder.

    Args:
        name: of the row.
        train: the training's config and its overlays, by name.
        evaluate: the evaluation's, likewise.
        folder: of everything that they write.
        epochs: of its training.
    """

    name: str
    train: tuple[str, ...]
    evaluate: tuple[str, ...]
    folder: Path
    epochs: int

    @property
    def checkpoint(self) -> Path:
        """The last weights."""
        return self.folder / "model.pt"


class DemoBundle:
    """
    Runs the bundle's configs as ``python -m monai.bundle run`` does, in this process, under one progress display.

    Args:
        root: the bundle's folder.
        console: where progress is shown.
        arguments: values by id, for every config.
    """

    def __init__(self, root: Path, console: Console, **arguments: Any) -> None:
        self.root, self.arguments = root, {"bundle_root": str(root), "quiet": True, **arguments}
        columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=console)

    def train(self, model: Model, **arguments: Any) -> None:
        """
        Train a model, or go on with its training.

        Args:
            model: what to train.
            arguments: values by id, for its config.
        """
        given = {"output_dir": str(model.folder), "max_epochs": model.epochs, **arguments}
        workflow = self._workflow("train", model.train, model, **given)
        trainer, validator = workflow.trainer, workflow.evaluator
        task = self.progress.add_task(model.name, total=trainer.state.max_epochs, note="")

        def show(engine: Any) -> None:
            dice = validator.state.best_metric  # of the last epoch, which alone is validated
            note = f"validation Dice {dice:.3f}" if dice > 0 else ""
            self.progress.update(task, completed=engine.state.epoch, note=note)

        trainer.add_event_handler(Events.EPOCH_COMPLETED, show)
        workflow.run()
        show(trainer)  # also for a run that had ended before
        workflow.finalize()

    def evaluate(self, model: Model) -> nn.Module:
        """
        Evaluate a trained model on the test images.

        Args:
            model: what to evaluate.

        Returns:
            Its network.
        """
        workflow = self._workflow("eval", model.evaluate, model, output_dir=str(model.folder / "evaluation"))
        evaluator = workflow.evaluator
        task = self.progress.add_task(f"Test: {model.name}", total=len(evaluator.data_loader), note="")
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: self.progress.advance(task))
        workflow.run()
        workflow.finalize()
        network: nn.Module = workflow.network_def
        return network

    def _workflow(self, kind: str, configs: tuple[str, ...], model: Model, **arguments: Any) -> Any:
        files = [str(BundleFolder(self.root).file(name)) for name in configs]
        workflow = ConfigWorkflow(
            config_file=files,
            logging_file=False,
            workflow_type=kind,
            **{**self.arguments, "checkpoint": str(model.checkpoint), **arguments},
        )
        workflow.initialize()
        return workflow
