# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import textwrap
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Workflow
from torch import nn

from monai_kd.features import unwrap
from monai_kd.handlers.checkpoint_saver import save_atomically
from monai_kd.handlers.undefined_metrics import is_undefined
from monai_kd.utils.checkpoints import CheckpointError, load_checkpoint, require_finite
from monai_kd.utils.processes import is_first_process

__all__ = ["ResumeHandler"]

# The entries of a state besides the objects.
STATE = ("settings", "epoch", "iteration", "max_epochs", "epoch_length", "stopped_early", "scaler", "best")


def _brief(error: Exception) -> str:
    """The first two lines of an error: torch names the first difference in the second, and all others after it."""
    return textwrap.shorten(" ".join(str(error).splitlines()[:2]), width=240, placeholder=" …")


class ResumeHandler:
    """
    Saves the whole state of a run after every epoch, and continues from it when the run is started again.

    The state holds the objects, the trainer's epoch and iteration, its gradient scaler, the evaluator's best metric,
    and the history of the run: for each epoch the mean training loss ("loss") and the evaluator's key metric. Random
    numbers are not saved; use :class:`SeedHandler`, which derives them from seed and epoch. Attach this handler after
    all handlers that act at the end of an epoch (validation, schedules, patience), so that the state includes their
    changes.

    A run that had ended (after its last epoch, or early) ends again at once. The number of epochs, and of iterations in
    an epoch, cannot change when a run is resumed, because a learning-rate schedule spans the whole run.

    Args:
        path: file of the state, replaced atomically; it is loaded with ``weights_only=True``.
        objects: by name, each with ``state_dict()`` and ``load_state_dict()``: network, optimizer, pathways, scheduler,
            checkpoint saver.
        evaluator: the engine that validates, if any.
        resume: whether to continue from an existing file; otherwise it is overwritten. Defaults to True.
        settings: what identifies this run (data, seed, loss …), by name; compared as text, so that a run with other
            settings cannot continue from this state.

    Raises:
        ValueError: At the start, when the file is damaged or belongs to a run with other settings, objects, network or
            length; at the end of an epoch, when the file cannot be written (the old one is kept).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> def epochs(folder, killed_after=3):
        ...     run, network = [], nn.Linear(2, 1)
        ...     trainer = Engine(lambda engine, batch: run.append(engine.state.epoch))
        ...     ResumeHandler(f"{folder}/state.pt", {"network": network}).attach(trainer)
        ...     trainer.add_event_handler(Events.EPOCH_STARTED(once=killed_after + 1), lambda: 1 / 0)
        ...     try:
        ...         trainer.run([0], max_epochs=3)
        ...     except ZeroDivisionError:
        ...         pass
        ...     return run
        >>> with TemporaryDirectory() as folder:
        ...     epochs(folder, killed_after=1), epochs(folder)
        ([1], [2, 3])
    """

    def __init__(
        self,
        path: str | PathLike[str],
        objects: Mapping[str, Any],
        evaluator: Workflow | None = None,
        resume: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.objects = {k: unwrap(v) if isinstance(v, nn.Module) else v for k, v in objects.items()}
        self.evaluator = evaluator
        self.resume = resume
        self.settings = {name: str(value) for name, value in (settings or {}).items()}
        self.history: dict[str, list[tuple[int, float]]] = {}
        self._losses: list[Any] = []
        self.logger = logging.getLogger(__name__)

    def attach(self, engine: Engine) -> None:
        """Resume ``engine``, a MONAI trainer, at its start, and save it after each epoch."""
        engine.add_event_handler(Events.STARTED, self._load)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._note_loss)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _save(self, engine: Engine) -> None:
        if not is_first_process():
            return
        self._note_epoch(engine.state.epoch)
        scaler = getattr(engine, "scaler", None)
        checkpoint = {
            "objects": {name: obj.state_dict() for name, obj in self.objects.items()},
            "settings": self.settings,
            "epoch": engine.state.epoch,
            "iteration": engine.state.iteration,
            "max_epochs": engine.state.max_epochs,
            "epoch_length": engine.state.epoch_length,
            "stopped_early": bool(engine.should_terminate),
            "scaler": None if scaler is None else scaler.state_dict(),
            "best": None if self.evaluator is None else self._best(self.evaluator),
            "history": self.history,
        }
        save_atomically(checkpoint, self.path, self.objects)

    def _note_loss(self, engine: Engine) -> None:
        output: Any = engine.state.output
        first = output[0] if isinstance(output, list) and output else output  # MONAI's trainers decollate it
        if isinstance(first, dict) and "loss" in first:
            loss = first["loss"]
            self._losses.append(loss.detach() if isinstance(loss, torch.Tensor) else loss)

    def _note_epoch(self, epoch: int) -> None:
        if self._losses:
            mean = float(sum(self._losses)) / len(self._losses)
            self.history.setdefault("loss", []).append((epoch, mean))
            self._losses.clear()
        state: Any = None if self.evaluator is None else self.evaluator.state
        if state is not None and state.key_metric_name in state.metrics and state.epoch == epoch:
            value = state.metrics[state.key_metric_name]
            self.history.setdefault(state.key_metric_name, []).append((epoch, float(value)))

    def _load(self, engine: Engine) -> None:
        self.history, self._losses = {}, []
        if not self.resume or not self.path.is_file():
            return
        state: Any = engine.state
        checkpoint = self._read()
        self.history = {name: list(values) for name, values in checkpoint.get("history", {}).items()}
        self._check_settings(checkpoint)
        self._check_length(checkpoint, engine)
        for name, obj in self.objects.items():
            try:
                obj.load_state_dict(checkpoint["objects"][name])
            except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                raise ValueError(
                    f"'{self.path}' does not fit '{name}' of this run: {_brief(error)} "
                    "Start again with resume=False or another output folder, or use the settings of the saved run."
                ) from None
            if isinstance(obj, nn.Module):
                require_finite(checkpoint["objects"][name], self.path, own=dict(obj.named_buffers()))
        if checkpoint["scaler"] is not None and getattr(engine, "scaler", None) is not None:
            engine.scaler.load_state_dict(checkpoint["scaler"])  # type: ignore[attr-defined]
        if self.evaluator is not None and checkpoint["best"] is not None:
            evaluator_state: Any = self.evaluator.state
            evaluator_state.best_metric, evaluator_state.best_metric_epoch = checkpoint["best"]
        state.epoch, state.iteration = checkpoint["epoch"], checkpoint["iteration"]
        self.logger.info(f"Resumed from '{self.path}' after epoch {state.epoch}.")
        if checkpoint["stopped_early"] or state.epoch >= state.max_epochs:
            self.logger.info("This run had ended already. To train again, choose another output_dir or resume=False.")
            engine.terminate()

    def _read(self) -> dict[str, Any]:
        try:
            checkpoint: dict[str, Any] = load_checkpoint(self.path)
            names = set(checkpoint["objects"])
            _ = [checkpoint[name] for name in STATE]
        except (CheckpointError, KeyError, TypeError, IndexError, RuntimeError) as error:
            reason = error.reason if isinstance(error, CheckpointError) else f"{type(error).__name__}: {_brief(error)}"
            raise ValueError(f"'{self.path}' is no state of a run ({reason}). Remove it to start again.") from None
        if names != set(self.objects):
            raise ValueError(
                f"'{self.path}' holds {sorted(names)}, but this run resumes {sorted(self.objects)}: it was written by "
                "another kind of run. Choose another output folder, or remove it to start again."
            )
        return checkpoint

    def _check_settings(self, checkpoint: Mapping[str, Any]) -> None:
        for name, current in self.settings.items():
            former = checkpoint["settings"].get(name, "")
            if former != current:
                former, current = (textwrap.shorten(text, width=100, placeholder=" …") for text in (former, current))
                raise ValueError(
                    f"'{self.path}' was written by a run with another {name}: {former!r} there, {current!r} here. "
                    "Use that run's settings to continue it, or another output_dir or resume=False to start again."
                )

    def _check_length(self, checkpoint: Mapping[str, Any], engine: Engine) -> None:
        lengths = {
            "max_epochs": (engine.state.max_epochs, "the same max_epochs"),
            "epoch_length": (engine.state.epoch_length, "the same data and batch size"),
        }
        for name, (current, remedy) in lengths.items():
            if current is not None and checkpoint[name] != current:
                raise ValueError(
                    f"'{self.path}' was written by a run of {name}={checkpoint[name]}, but this run has "
                    f"{name}={current}: a run cannot change its length, because its learning-rate schedule spans it. "
                    f"Give {remedy} to continue, or another output_dir or resume=False to start again."
                )

    @staticmethod
    def _best(evaluator: Workflow) -> tuple[float, int] | None:
        state: Any = evaluator.state
        if is_undefined(state.best_metric_epoch):
            return None
        return float(state.best_metric), int(state.best_metric_epoch)
