# SPDX-License-Identifier: Apache-2.0
"""Time several candidates side by side."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping

__all__ = ["in_turns", "timed"]

WARM_UP = 3


def in_turns(
    timers: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = WARM_UP
) -> Iterator[dict[str, float]]:
    """
    Yield the milliseconds of each candidate in each round, after warm-up rounds that are not yielded.

    Every round runs all candidates, so a change of the machine's speed affects all of them. The order changes from
    round to round, because a large network leaves the caches full of its own data.

    Example:
        >>> list(in_turns({"a": lambda: 1.0, "b": lambda: 2.0}, rounds=2))
        [{'a': 1.0, 'b': 2.0}, {'a': 1.0, 'b': 2.0}]
    """
    order = random.Random(0)
    for number in range(rounds + warm_up):
        times = {name: timers[name]() for name in order.sample(list(timers), len(timers))}
        if number >= warm_up:
            yield {name: times[name] for name in timers}


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """A function that makes one call and returns the call's milliseconds."""

    def timer() -> float:
        start = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - start)

    return timer
