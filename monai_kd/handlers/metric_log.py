# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.handlers import MetricLogger

__all__ = ["MetricLogHandler"]


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
