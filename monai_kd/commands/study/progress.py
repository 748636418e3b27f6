# SPDX-License-Identifier: Apache-2.0
"""The live display of a study: a line for each run in progress, one for all runs, and the remaining time."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from monai_kd.study.running.runs import Run
    from monai_kd.study.running.scheduling import State


class StudyProgress:
    """
    Shows how far a study is. Call it with each new state.

    Args:
        console: one that is no terminal gets a line for each finished run.
    """

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console)
        self._tasks: dict[Run, TaskID] = {}
        self._all = self._progress.add_task("Checking data", total=None)
        self._told: set[Run] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress.tasks[self._all].total is None:  # no run has started: an error message follows
            self._progress.update(self._all, visible=False)
        self._progress.stop()

    def __call__(self, state: State) -> None:
        from monai_kd.study.running.run_process import epochs

        ended = len(state.skipped) + len(state.finished) + len(state.failed)
        total = ended + len(state.running) + len(state.waiting)
        self._progress.update(self._all, description="All runs", completed=ended, total=total)
        for run in [run for run in self._tasks if run not in state.running]:
            self._progress.remove_task(self._tasks.pop(run))
        for run in state.running:
            task = (
                self._tasks.setdefault(run, self._progress.add_task(run.name))
                if run not in self._tasks
                else self._tasks[run]
            )
            done = epochs(run.folder)
            if done:
                self._progress.update(task, completed=done[0], total=done[1])
        for run in {*state.finished, *state.failed} - self._told:
            self._told.add(run)
            self._progress.console.print(
                f"{run.name} {'failed' if run in state.failed else 'finished'}", highlight=False
            )
