# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.handlers import MetricLogger

from monai_kd.utils.json_files import read_json, write_json
from monai_kd.utils.processes import is_first_process

__all__ = ["EvalMetricsHandler", "MetricLogHandler"]


class MetricLogHandler(MetricLogger):
    """
    MONAI's ``MetricLogger`` with plain numbers in its state, so that a resumed run can load it.

    Args:
        loss_transform: computes the loss, a number, from the trainer's output. Defaults to its "loss".
        metric_transform: computes the number to keep from a metric.
        evaluator: engine whose metrics are logged at the end of each of its runs.

    Example:
        >>> from ignite.engine import Engine
        >>> trainer, log = Engine(lambda engine, batch: {"loss": 0.5}), MetricLogHandler(lambda output: output["loss"])
        >>> log.attach(trainer)
        >>> _ = trainer.run([0, 1])
        >>> log.state_dict()
        {'loss': [(1, 0.5), (2, 0.5)], 'metrics': {}}
    """

    def state_dict(self) -> dict[str, Any]:
        """Losses and metrics, each a list of (iteration, value)."""
        metrics = {name: _plain(values) for name, values in self.metrics.items()}
        return {"loss": _plain(self.loss), "metrics": metrics}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.loss[:] = state_dict["loss"]
        self.metrics.clear()
        self.metrics.update({name: list(values) for name, values in state_dict["metrics"].items()})


def _plain(values: list[tuple[int, Any]]) -> list[tuple[int, float]]:
    return [(iteration, float(value)) for iteration, value in values]


class EvalMetricsHandler:
    """
    Write the best key metric of a training into ``eval_metrics`` of its bundle's metadata when the training ends.

    Nothing is written if the weights lie elsewhere than in the bundle's ``models/model.pt``, for the metadata describe
    that file, or if there is no value.

    Args:
        metadata: the bundle's ``configs/metadata.json``.
        checkpoint: the file of the weights.
        evaluator: the engine that validates; None writes nothing.

    Example:
        >>> import json
        >>> from tempfile import mkdtemp
        >>> root = Path(mkdtemp())
        >>> (root / "configs").mkdir()
        >>> _ = (root / "configs" / "metadata.json").write_text('{"eval_metrics": {}}')
        >>> trainer, evaluator = Engine(lambda engine, batch: None), Engine(lambda engine, batch: None)
        >>> evaluator.state.key_metric_name, evaluator.state.best_metric = "val_mean_dice", 0.91234
        >>> handler = EvalMetricsHandler(root / "configs" / "metadata.json", root / "models" / "model.pt", evaluator)
        >>> handler.attach(trainer)
        >>> _ = trainer.run([0])
        >>> json.loads((root / "configs" / "metadata.json").read_text())
        {'eval_metrics': {'val_mean_dice': 0.9123}}
    """

    def __init__(self, metadata: str | Path, checkpoint: str | Path, evaluator: Engine | None) -> None:
        self.metadata, self.checkpoint, self.evaluator = Path(metadata), Path(checkpoint), evaluator

    def attach(self, engine: Engine) -> None:
        """
        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """
        Args:
            engine: the trainer, at its end.
        """
        state = getattr(self.evaluator, "state", None)
        name, best = getattr(state, "key_metric_name", None), getattr(state, "best_metric", None)
        if not is_first_process() or not name or not isinstance(best, int | float) or not math.isfinite(best):
            return
        metadata = self.metadata.resolve()
        if metadata.is_file() and self.checkpoint.resolve() == metadata.parents[1] / "models" / "model.pt":
            write_json(metadata, {**read_json(metadata), "eval_metrics": {name: round(float(best), 4)}})
