# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events
from monai.engines import Workflow

__all__ = ["PatienceHandler"]


class PatienceHandler:
    """
    Ends training when the evaluator's key metric has not improved for a number of epochs.

    It counts from the evaluator's best epoch and keeps no state of its own, so a resumed run stops where the whole run
    would have. A metric that was never defined ends nothing. Attach it to the trainer, after
    ``FinalValidationHandler``. (MONAI's ``EarlyStopHandler`` counts by itself, cannot be resumed, and needs evaluator
    and trainer to know each other, which a config cannot express.)

    Args:
        evaluator: the engine that validates.
        patience: number of epochs without improvement, at least 1.

    Raises:
        ValueError: When ``patience`` is below 1.

    Example:
        >>> import torch
        >>> from ignite.metrics import Average
        >>> from monai.engines import SupervisedEvaluator
        >>> from monai.handlers import ValidationHandler
        >>> scores = iter([0.5, 0.7, 0.6, 0.6, 0.6])
        >>> evaluator = SupervisedEvaluator(
        ...     device=torch.device("cpu"),
        ...     val_data_loader=[{"image": torch.zeros(1, 1, 2, 2), "label": torch.zeros(1, 1, 2, 2)}],
        ...     network=torch.nn.Identity(),
        ...     key_val_metric={"score": Average(output_transform=lambda output: next(scores))},
        ... )
        >>> trainer = Engine(lambda engine, batch: None)
        >>> ValidationHandler(1, evaluator).attach(trainer)
        >>> PatienceHandler(evaluator, patience=2).attach(trainer)
        >>> trainer.run([0], max_epochs=5).epoch  # two after the best, which is the second
        4
    """

    def __init__(self, evaluator: Workflow, patience: int) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, got {patience}.")
        self.evaluator = evaluator
        self.patience = patience

    def attach(self, engine: Engine) -> None:
        """
        Args:
            engine: the trainer.
        """
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """
        Args:
            engine: the trainer, at the end of an epoch.
        """
        state: Any = self.evaluator.state
        # Without a defined value it is NaN, which no epoch is after.
        if state.best_metric_epoch >= 0 and engine.state.epoch - state.best_metric_epoch >= self.patience:
            logging.getLogger(__name__).info(
                f"No better {state.key_metric_name} than {state.best_metric:.4f} of epoch {state.best_metric_epoch} "
                f"for {self.patience} epochs: training ends."
            )
            engine.terminate()
