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

    It counts from the evaluator's best epoch and has no state, so a resumed run stops at the same epoch as an
    uninterrupted one. If the metric was never defined, training goes on. Attach it to the trainer, after
    ``FinalValidationHandler``. (MONAI's ``EarlyStopHandler`` has its own counter, cannot be resumed, and needs the
    evaluator and the trainer to refer to each other, which a config cannot express.)

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
        >>> trainer.run([0], max_epochs=5).epoch  # two epochs after the best, the second
        4
    """

    def __init__(self, evaluator: Workflow, patience: int) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, got {patience}.")
        self.evaluator = evaluator
        self.patience = patience

    def attach(self, engine: Engine) -> None:
        """Check the patience at the end of each epoch of ``engine``, the trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        state: Any = self.evaluator.state
        # Without a defined value the best epoch is NaN, and the comparison is False.
        if state.best_metric_epoch >= 0 and engine.state.epoch - state.best_metric_epoch >= self.patience:
            logging.getLogger(__name__).info(
                f"No better {state.key_metric_name} than {state.best_metric:.4f} of epoch {state.best_metric_epoch} "
                f"for {self.patience} epochs: training ends."
            )
            engine.terminate()
