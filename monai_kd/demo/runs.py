# SPDX-License-Identifier: Apache-2.0
"""The models of the demo, and the bundle that trains and evaluates them."""

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
    """One row of the demo's table: names of its configs and their overlays, and the folder that they write into."""

    name: str
    train: tuple[str, ...]
    evaluate: tuple[str, ...]
    folder: Path
    epochs: int

    @property
    def checkpoint(self) -> Path:
        """The file of the last weights."""
        return self.folder / "model.pt"


class DemoBundle:
    """
    Run a bundle's configs as ``python -m monai.bundle run`` does, in this process and with one progress display.

    ``arguments`` are values by id, for every config.
    """

    def __init__(self, root: Path, console: Console, **arguments: Any) -> None:
        self.root, self.arguments = root, {"bundle_root": str(root), "quiet": True, **arguments}
        columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=console)

    def train(self, model: Model, **arguments: Any) -> None:
        """Train a model, or resume its training, with further values by id."""
        given = {"output_dir": str(model.folder), "max_epochs": model.epochs, **arguments}
        workflow = self._workflow("train", model.train, model, **given)
        trainer, validator = workflow.trainer, workflow.evaluator
        task = self.progress.add_task(model.name, total=trainer.state.max_epochs, note="")

        def show(engine: Any) -> None:
            dice = validator.state.best_metric  # only the last epoch is validated
            note = f"validation Dice {dice:.3f}" if dice > 0 else ""
            self.progress.update(task, completed=engine.state.epoch, note=note)

        trainer.add_event_handler(Events.EPOCH_COMPLETED, show)
        if not self.progress.console.is_terminal:  # where the bars are drawn at the end alone
            self.progress.console.print(f"Training: {model.name}, {trainer.state.max_epochs} epochs …", highlight=False)
        workflow.run()
        show(trainer)  # needed if the run was finished before: then no epoch ends here
        workflow.finalize()

    def evaluate(self, model: Model) -> nn.Module:
        """Evaluate a trained model on the test images, and return its network."""
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
