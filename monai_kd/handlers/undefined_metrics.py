# SPDX-License-Identifier: Apache-2.0
"""Undefined metrics, which MONAI reports as 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import Workflow
from monai.utils import is_scalar

__all__ = ["is_undefined", "mark_undefined", "undefined_metrics"]


def is_undefined(value: Any) -> bool:
    """
    Whether a metric's value is a single number that is not finite.

    Example:
        >>> is_undefined(float("nan")), is_undefined(0.0), is_undefined(torch.zeros(3))
        (True, False, False)
    """
    return bool(is_scalar(value)) and not isinstance(value, str) and not math.isfinite(value)


def undefined_metrics(engine: Engine) -> list[str]:
    """
    The names of an engine's metrics, at the end of its epoch, that are not finite or undefined for all images.

    MONAI gives 0 for the mean of no values, such as the Dice of images without a lesion.
    """
    state: Any = engine.state
    details = getattr(state, "metric_details", {})
    return [
        name
        for name, value in state.metrics.items()
        if is_undefined(value) or (torch.is_tensor(rows := details.get(name)) and not rows.isfinite().any())
    ]


def mark_undefined(engine: Engine) -> None:
    """
    Set an evaluator's undefined metrics to NaN, and never take one as the best metric.

    MONAI takes the first value as the best one even if it is NaN, and then nothing is better. Here ``best_metric`` and
    ``best_metric_epoch`` are NaN until there is a defined value.

    Args:
        engine: a MONAI evaluator that has not run yet; other engines do not change.
    """
    if not isinstance(engine, Workflow) or isinstance(engine.metric_cmp_fn, _DefinedOnly):
        return
    # MONAI calls this between computing the metrics and running the handlers.
    engine.metric_cmp_fn = _DefinedOnly(engine, engine.metric_cmp_fn)
    state: Any = engine.state
    if state.best_metric_epoch == -1:
        state.best_metric, state.best_metric_epoch = math.nan, math.nan


class _DefinedOnly:
    """A comparison of metrics in which an undefined value is never the better one."""

    def __init__(self, engine: Workflow, better: Callable[[Any, Any], bool]) -> None:
        self.engine, self.better = engine, better

    def __call__(self, current: Any, best: Any) -> bool:
        state: Any = self.engine.state
        undefined = undefined_metrics(self.engine)
        state.metrics.update(dict.fromkeys(undefined, math.nan))
        if state.key_metric_name in undefined:
            return False
        return is_undefined(best) or self.better(current, best)
