# SPDX-License-Identifier: Apache-2.0
"""Runs on this machine."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

import torch

from monai_kd.study.running.run_process import failure, launch
from monai_kd.study.running.runs import Run

__all__ = ["LocalWorkers"]

PATIENCE = 10.0  # seconds that a run has to stop before it is killed


def _visible_gpus() -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    # An empty list hides every GPU; device_count is then 0 as well.
    return given.split(",") if given else [str(index) for index in range(torch.cuda.device_count())]


class LocalWorkers:
    """
    Run several processes at a time on this machine; each sees one GPU, the one with the fewest runs.

    Args:
        jobs: number of runs at a time.
        threads: CPU threads of each run; None divides the cores among the runs.

    Raises:
        ValueError: When ``jobs`` is below 1.
    """

    def __init__(self, jobs: int = 1, threads: int | None = None) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {jobs}.")
        self.slots = jobs
        self.threads = threads or max(1, len(os.sched_getaffinity(0)) // jobs)
        self._gpus = _visible_gpus()
        self._processes: dict[Run, subprocess.Popen[bytes]] = {}
        self._places: dict[Run, str] = {}  # the GPU of each current run

    def start(self, run: Run) -> None:
        """Start a run whose configs are already written."""
        gpu = min(self._gpus, key=list(self._places.values()).count, default=None)
        if gpu is not None:
            self._places[run] = gpu
        self._processes[run] = launch(run.folder, self.threads, gpu)

    def ended(self) -> list[tuple[Run, str | None]]:
        """The runs that ended since the last call, each with the reason if it failed, else None."""
        codes = {run: process.poll() for run, process in self._processes.items()}
        done = {run: code for run, code in codes.items() if code is not None}
        for run in done:
            del self._processes[run]
            self._places.pop(run, None)
        return [(run, None if code == 0 else failure(run.folder, code)) for run, code in done.items()]

    def stop(self) -> None:
        """Stop all runs; each resumes when it is started again."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
            process.wait()
        self._processes.clear()
