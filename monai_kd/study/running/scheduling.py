# SPDX-License-Identifier: Apache-2.0
"""The order of runs: each after those it needs, several at a time, whatever becomes of the others."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monai_kd.study.running.runs import Run

__all__ = ["State", "Workers", "schedule"]

INTERVAL = 0.3  # seconds between two looks at the runs
SPACE = 64 * 2**20  # bytes; a disk with less is full, for a run


class Workers(Protocol):
    """What runs are given to: this machine, or a cluster."""

    @property
    def slots(self) -> int:
        """How many runs at a time."""

    def start(self, run: Run) -> None:
        """
        Start a run.

        Args:
            run: to start; its configs are written.
        """

    def ended(self) -> list[tuple[Run, str | None]]:
        """The runs that ended since the last call, each with the reason if it failed."""

    def stop(self) -> None:
        """End all runs."""


@dataclass
class State:
    """
    How far a study is.

    Args:
        skipped: runs that were finished before.
        finished: runs that were finished now.
        running: runs under way.
        waiting: runs to come.
        failed: the reason, by run.
    """

    skipped: list[Run] = field(default_factory=list)
    finished: list[Run] = field(default_factory=list)
    running: list[Run] = field(default_factory=list)
    waiting: list[Run] = field(default_factory=list)
    failed: dict[Run, str] = field(default_factory=dict)


def schedule(runs: Sequence[Run], workers: Workers, watch: Callable[[State], None] = lambda state: None) -> State:
    """
    Carry out the runs that are not finished.

    Args:
        runs: each after those it needs.
        workers: where; they are stopped at the end, also after Ctrl-C.
        watch: called several times a second.

    Raises:
        ValueError: When the disk is full; the runs under way are stopped and can resume.
    """
    state = State(skipped=[run for run in runs if run.finished], waiting=[run for run in runs if not run.finished])
    try:
        while state.waiting or state.running:
            _start(state, workers)
            for run, error in workers.ended():
                state.running.remove(run)
                if error is None and run.finished:
                    state.finished.append(run)
                else:
                    state.failed[run] = error or f"it ended without scores; see {run.folder / 'log.txt'}"
            watch(state)
            time.sleep(INTERVAL if state.running else 0)
    finally:
        workers.stop()
    return state


def _start(state: State, workers: Workers) -> None:
    for run in list(state.waiting):
        failed = [needed.name for needed in run.needs if needed in state.failed]
        if failed:
            state.waiting.remove(run)
            state.failed[run] = f"not run, for {failed[0]}, whose checkpoint it needs, failed"
        elif len(state.running) < workers.slots and all(needed.finished for needed in run.needs):
            run.write_configs()
            if shutil.disk_usage(run.folder).free < SPACE:
                raise ValueError(
                    f"No space left for '{run.folder}'. Free some and give the same command again: finished runs are "
                    "kept, the others resume."
                )
            state.waiting.remove(run)
            state.running.append(run)
            workers.start(run)
