# SPDX-License-Identifier: Apache-2.0
"""Metrics without a value: no score is a score of 0."""

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
    Whether a metric's value is a number that is not finite.

    Args:
        value: of any type; what is no single number is not judged.

    Example:
        >>> is_undefined(float("nan")), is_undefined(0.0), is_undefined(torch.zeros(3))
        (True, False, False)
    """
    return bool(is_scalar(value)) and not isinstance(value, str) and not math.isfinite(value)


def undefined_metrics(engine: Engine) -> list[str]:
    """
    The names of an engine's metrics that have no value: not finite, or the mean of images none of which has a value.

    MONAI gives 0 for such a mean, as the Dice of images without a lesion.

    Args:
        engine: at the end of its epoch.
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
    Let an evaluator's metrics without a value be NaN, and its best value be one that is defined.

    MONAI takes the first value for the best one whatever it is; nothing is better than NaN from then on. Here an
    undefined value is never the best: until there is another, ``best_metric`` and ``best_metric_epoch`` are NaN.

    Args:
        engine: an evaluator of MONAI that has not run yet; other engines stay as they are.
    """
    if not isinstance(engine, Workflow) or isinstance(engine.metric_cmp_fn, _DefinedOnly):
        return
    # The one call that MONAI makes between computing the metrics and showing them to the handlers.
    engine.metric_cmp_fn = _DefinedOnly(engine, engine.metric_cmp_fn)
    state: Any = engine.state
    if state.best_metric_epoch == -1:
        state.best_metric, state.best_metric_epoch = math.nan, math.nan


class _DefinedOnly:
    """A comparison of metrics in which no undefined value is better than another."""

    def __init__(self, engine: Workflow, better: Callable[[Any, Any], bool]) -> None:
        self.engine, self.better = engine, better

    def __call__(self, current: Any, best: Any) -> bool:
        state: Any = self.engine.state
        undefined = undefined_metrics(self.engine)
        state.metrics.update(dict.fromkeys(undefined, math.nan))
        if state.key_metric_name in undefined:
            return False
        return is_undefined(best) or self.better(current, best)
