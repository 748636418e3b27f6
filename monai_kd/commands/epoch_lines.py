# SPDX-License-Identifier: Apache-2.0
"""What a run prints: one line an epoch, in place of what MONAI and ignite log."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from monai_kd.commands.console import console

if TYPE_CHECKING:
    from ignite.engine import Engine
    from monai.bundle import ConfigWorkflow

__all__ = ["EpochLines", "epoch_lines", "quiet_start"]

STOCK = re.compile(r"Engine run (resuming|finished|starting)|Epoch\[\d+\] Complete|Got new best metric")


class EpochLines:
    """
    Print a line at the end of each epoch: losses of its last batch, metrics of a validation, time.

    Args:
        trainer: must be attached last, so that the epoch's validation is done.
        evaluator: the validation's engine; None if there is no validation.

    Example:
        >>> from ignite.engine import Engine
        >>> trainer = Engine(lambda engine, batch: {"loss": 0.5})
        >>> _ = EpochLines(trainer, None)
        >>> _ = trainer.run([0], max_epochs=1)  # doctest: +ELLIPSIS
        epoch 1/1: loss 0.5000; ... s
    """

    def __init__(self, trainer: Engine, evaluator: Engine | None) -> None:
        from ignite.engine import Events

        self.evaluator, self._is_validated = evaluator, False
        self._begin = self._first = time.monotonic()
        self._epochs = 0
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self)
        if evaluator is not None:
            evaluator.add_event_handler(Events.COMPLETED, self._validated)

    def __call__(self, trainer: Engine) -> None:
        """
        Args:
            trainer: the engine, at the end of an epoch.
        """
        from monai_kd.utils.loss_terms import loss_terms

        now = time.monotonic()
        self._epochs += 1
        left = (trainer.state.max_epochs or 0) - trainer.state.epoch
        parts = [_numbers(loss_terms(trainer.state.output) if trainer.state.output else {}), self._validation(trainer)]
        parts.append(f"{now - self._begin:.1f} s")
        if left:
            parts[-1] += f", at most {_duration(left * (now - self._first) / self._epochs)} left"
        line = f"epoch {trainer.state.epoch}/{trainer.state.max_epochs}: {'; '.join(filter(None, parts))}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._begin, self._is_validated = now, False

    def _start(self, trainer: Engine) -> None:
        self._begin = self._first = time.monotonic()

    def _validated(self, evaluator: Engine) -> None:
        self._is_validated = True

    def _validation(self, trainer: Engine) -> str:
        if self.evaluator is None or not self._is_validated:
            return ""
        state = self.evaluator.state
        best = " (best)" if getattr(state, "best_metric_epoch", None) == trainer.state.epoch else ""
        return _numbers({name: value for name, value in state.metrics.items() if isinstance(value, int | float)}) + best


def _numbers(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())


def _duration(seconds: float) -> str:
    """
    >>> [_duration(seconds) for seconds in (8, 600, 9000)]
    ['8 s', '10 min', '2 h 30 min']
    """
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def quiet_start() -> Iterator[None]:
    """Leave out the summary of the arguments, which the user has just written."""
    logger = logging.getLogger("monai.bundle.scripts")
    logger.addFilter(_is_warning)
    try:
        yield
    finally:
        logger.removeFilter(_is_warning)


@contextmanager
def epoch_lines(workflow: ConfigWorkflow) -> Iterator[None]:
    """
    While the workflow runs, print a line an epoch in place of the lines of ``StatsHandler`` and of ignite's engines.

    Args:
        workflow: initialized; an evaluation or an inference has no epochs, and prints no line.
    """
    from monai_kd.utils.processes import is_first_process

    trainer = _engine(workflow, "trainer")
    engines = [engine for engine in (trainer, _engine(workflow, "evaluator")) if engine is not None]
    if trainer is not None and is_first_process():
        EpochLines(trainer, _engine(workflow, "evaluator"))
    muted = [(engine.logger, _is_news) for engine in engines]
    if trainer is not None:
        muted.append((logging.getLogger("monai.handlers.StatsHandler"), _never))  # the run tells an error itself
    for logger, rule in muted:
        logger.addFilter(rule)
    try:
        yield
    finally:
        for logger, rule in muted:
            logger.removeFilter(rule)


def _engine(workflow: ConfigWorkflow, kind: str) -> Any:
    """The engine under MONAI's usual ids; None if the config has no such engine."""
    for name in (f"{'train' if kind == 'trainer' else 'validate'}#{kind}", kind):
        if name in workflow.parser:
            return workflow.parser.get_parsed_content(name)
    return None


def _is_news(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not STOCK.match(record.getMessage())


def _never(record: logging.LogRecord) -> bool:
    return False


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO
