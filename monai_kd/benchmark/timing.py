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
    Milliseconds of each candidate in each round, one after the other, so that the machine's moods meet all.

    The order changes from round to round: what runs after a large network finds the caches full of it.

    Args:
        timers: run a candidate once and give its milliseconds, by name.
        rounds: how many.
        warm_up: rounds before these, which do not count.

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
    """
    A timer of a call.

    Args:
        call: what is timed.

    Returns:
        A function that calls it once and gives the milliseconds.
    """

    def timer() -> float:
        start = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - start)

    return timer
