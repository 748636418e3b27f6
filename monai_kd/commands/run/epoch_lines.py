# SPDX-License-Identifier: Apache-2.0
"""What a run prints: one line an epoch, in place of what MONAI and ignite log."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from monai_kd.commands.console import console
from monai_kd.commands.run.training_line import training_line

if TYPE_CHECKING:
    from ignite.engine import Engine
    from monai.bundle import ConfigParser, ConfigWorkflow

__all__ = ["EpochLines", "epoch_lines", "quiet_start"]

Rule = Callable[[logging.LogRecord], bool]

TRAINERS, EVALUATORS = ("train::trainer", "trainer"), ("validate::evaluator", "evaluator")  # MONAI's usual ids
# The scores of an evaluation are printed at its end, as a table.
STOCK = re.compile(
    r"Engine run (resuming|finished|starting)|Epoch\[\d+\] Complete|Got new best metric|\w+: \S+ ± \S+ over \d+ images"
)


class EpochLines:
    """
    Print what a training works with, and a line at the end of each epoch: mean losses of its batches, metrics, time.

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
        self._sums: dict[str, Any] = {}  # on the device, of the epoch's batches
        self._counts: Counter[str] = Counter()
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self)
        if evaluator is not None:
            evaluator.add_event_handler(Events.COMPLETED, self._validated)

    def __call__(self, trainer: Engine) -> None:
        """
        Args:
            trainer: the engine, at the end of an epoch.
        """
        now = time.monotonic()
        self._epochs += 1
        left = (trainer.state.max_epochs or 0) - trainer.state.epoch
        parts = [_numbers(self._means()), self._validation(trainer)]
        parts.append(f"{now - self._begin:.1f} s")
        if left > 0:
            parts[-1] += f", at most {_duration(left * (now - self._first) / self._epochs)} left"
        _say(f"epoch {trainer.state.epoch}/{trainer.state.max_epochs}: {'; '.join(filter(None, parts))}")
        self._begin, self._is_validated = now, False

    def _add(self, trainer: Engine) -> None:
        for name, value in _losses(trainer.state.output).items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] += 1

    def _means(self) -> dict[str, float]:
        """The total first; then all begin anew."""
        names = sorted(self._sums, key=lambda name: name != "loss")
        means = {name: float(self._sums[name]) / self._counts[name] for name in names}
        self._sums.clear()
        self._counts.clear()
        return means

    def _start(self, trainer: Engine) -> None:
        self._begin = self._first = time.monotonic()
        line = training_line(trainer, self.evaluator)
        if line:
            _say(line)

    def _validated(self, evaluator: Engine) -> None:
        self._is_validated = True

    def _validation(self, trainer: Engine) -> str:
        if self.evaluator is None or not self._is_validated:
            return ""
        state = self.evaluator.state
        best = " (best)" if getattr(state, "best_metric_epoch", None) == trainer.state.epoch else ""
        return _numbers({name: value for name, value in state.metrics.items() if isinstance(value, int | float)}) + best


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


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

    Its engines are built when its first expression needs them, as without this: an evaluation needs no trainer, and a
    seed or weights may come first.

    Args:
        workflow: initialized; an evaluation or an inference has no epochs, and prints no line.
    """
    from monai.bundle.utils import ID_SEP_KEY

    parser, muted = workflow.parser, list[tuple[logging.Logger, Rule]]()
    evaluated = parser.get_parsed_content

    def content(id: str = "", **options: Any) -> Any:
        if id.split(ID_SEP_KEY)[0] == workflow.run_id and not muted:
            muted.extend(_attach(parser, id))
        return evaluated(id, **options)

    parser.get_parsed_content = content  # type: ignore[method-assign]
    try:
        yield
    finally:
        del parser.get_parsed_content
        for logger, rule in muted:
            logger.removeFilter(rule)


def _attach(parser: ConfigParser, expression: str) -> list[tuple[logging.Logger, Rule]]:
    """Attach the lines to the engines of a run's expression; the loggers that say less from now on, and how."""
    from monai_kd.utils.processes import is_first_process

    refs = parser.ref_resolver.find_refs_in_config(parser[expression], expression)
    trainer = _engine(parser, TRAINERS, refs)
    evaluator = _engine(parser, EVALUATORS, {**refs, **parser.ref_resolver.resolved_content})
    if trainer is not None and is_first_process():
        EpochLines(trainer, evaluator)
    muted: list[tuple[logging.Logger, Rule]] = [(e.logger, _is_news) for e in (trainer, evaluator) if e is not None]
    if trainer is not None:
        muted.append((logging.getLogger("monai.handlers.StatsHandler"), _never))  # the run tells an error itself
    for logger, rule in muted:
        logger.addFilter(rule)
    return muted


def _engine(parser: ConfigParser, ids: Sequence[str], used: Container[str]) -> Engine | None:
    """The engine of the first of the ids that is used; None if there is none."""
    from ignite.engine import Engine

    found = next((parser.get_parsed_content(name) for name in ids if name in used), None)
    return found if isinstance(found, Engine) else None


def _losses(output: Any) -> dict[str, Any]:
    from monai_kd.utils.loss_terms import detached_terms

    first = output[0] if isinstance(output, list) and output else output
    if isinstance(first, float):
        return {"loss": first}
    return detached_terms(first) if isinstance(first, Mapping) else {}


def _is_news(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not STOCK.match(record.getMessage())


def _never(record: logging.LogRecord) -> bool:
    return False


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO
