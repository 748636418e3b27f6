# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events
from monai.handlers import ValidationHandler

from monai_kd.handlers.undefined_metrics import mark_undefined, undefined_metrics

__all__ = ["FinalValidationHandler"]


class FinalValidationHandler(ValidationHandler):
    """
    MONAI's ``ValidationHandler`` that also validates after the last epoch, whatever the interval.

    So every training ends with weights that a validation chose, even if it has fewer epochs than the interval. An
    undefined key metric (the Dice of images without a lesion) is reported in the log, and is never the best one.

    Args:
        interval: number of epochs (or of iterations) from one validation to the next.
        validator: the engine that validates.
        epoch_level: whether ``interval`` counts epochs. Defaults to True.
        exec_at_start: whether to validate before the first epoch as well. Defaults to False.

    Example:
        >>> import torch
        >>> from monai.engines import SupervisedEvaluator
        >>> evaluator = SupervisedEvaluator(
        ...     device=torch.device("cpu"),
        ...     val_data_loader=[{"image": torch.zeros(1, 1, 2, 2), "label": torch.zeros(1, 1, 2, 2)}],
        ...     network=torch.nn.Identity(),
        ... )
        >>> trainer, validated = Engine(lambda engine, batch: None), []
        >>> _ = evaluator.add_event_handler(Events.COMPLETED, lambda engine: validated.append(engine.state.epoch))
        >>> FinalValidationHandler(3, evaluator).attach(trainer)
        >>> _ = trainer.run([0], max_epochs=7)
        >>> validated
        [3, 6, 7]
    """

    _validated = -1

    def attach(self, engine: Engine) -> None:
        if self.validator is not None:
            mark_undefined(self.validator)
        engine.add_event_handler(Events.STARTED, self._begin)
        super().attach(engine)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end)

    def __call__(self, engine: Engine) -> None:
        super().__call__(engine)
        self._validated = engine.state.iteration
        state: Any = self.validator.state  # type: ignore[union-attr]
        if state.key_metric_name in undefined_metrics(self.validator):  # type: ignore[arg-type]
            logging.getLogger(__name__).warning(
                f"Epoch {engine.state.epoch}: the validation's {state.key_metric_name} is undefined, because no mask "
                "holds a lesion or all images have one class. It does not decide which weights are kept."
            )

    def _begin(self, engine: Engine) -> None:
        self._validated = -1

    def _end(self, engine: Engine) -> None:
        last = engine.state.epoch == engine.state.max_epochs or engine.should_terminate
        if last and self._validated != engine.state.iteration:
            self(engine)
