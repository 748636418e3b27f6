# SPDX-License-Identifier: Apache-2.0
"""Carry out runs, several at a time: each starts after the runs that it needs, and a failure stops no other run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monai_kd.study.running.runs import Run

__all__ = ["State", "Workers", "schedule"]

INTERVAL = 0.3  # seconds between two checks of the runs
SPACE = 64 * 2**20  # bytes; a run starts only if the disk has this free space


class Workers(Protocol):
    """Carry out runs, on this machine or on a cluster."""

    @property
    def slots(self) -> int:
        """The number of runs at a time."""

    def start(self, run: Run) -> None:
        """Start a run whose configs are already written."""

    def ended(self) -> list[tuple[Run, str | None]]:
        """The runs that ended since the last call, each with the reason if it failed, else None."""

    def stop(self) -> None:
        """Stop all runs."""


@dataclass
class State:
    """The progress of a study: ``skipped`` runs were finished before this start; ``failed`` has the reasons."""

    skipped: list[Run] = field(default_factory=list)
    finished: list[Run] = field(default_factory=list)
    running: list[Run] = field(default_factory=list)
    waiting: list[Run] = field(default_factory=list)
    failed: dict[Run, str] = field(default_factory=dict)


def schedule(runs: Sequence[Run], workers: Workers, watch: Callable[[State], None] = lambda state: None) -> State:
    """
    Carry out the runs that are not finished.

    Args:
        runs: each after those that it needs.
        workers: stopped at the end, also after Ctrl-C.
        watch: called with the state several times a second.

    Raises:
        ValueError: When the disk is full; the current runs are stopped and can resume.
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
            state.failed[run] = f"skipped: it needs the checkpoint of {failed[0]}, and {failed[0]} failed"
        elif len(state.running) < workers.slots and all(needed.finished for needed in run.needs):
            run.write_configs()
            if shutil.disk_usage(run.folder).free < SPACE:
                raise ValueError(
                    f"No space left for '{run.folder}'. Free some disk space and run the same command again: finished "
                    "runs are kept, the others resume."
                )
            state.waiting.remove(run)
            state.running.append(run)
            workers.start(run)
