# SPDX-License-Identifier: Apache-2.0
"""Run a study on the machines of a Ray cluster."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from monai_kd.study.running.run_process import failure, launch
from monai_kd.study.running.runs import Run

__all__ = ["RayWorkers"]

TIMEOUT = 5.0  # seconds for the cluster to answer
RETRIES = 3  # new starts of a run whose machine was lost


class RayWorkers:
    """
    Tasks of a Ray cluster; each is the process of one run.

    All machines must have this package installed and see the study's folder and the data under the same paths. If a
    machine is lost, its run starts again on another one and continues from its last epoch.

    Args:
        address: ``"host:port"``, ``"ray://host:port"``, or ``"auto"``.
        gpu_fraction: share of a GPU, or number of GPUs, for each run; 0 for runs on the CPU.
        threads: CPU cores for each run.
        jobs: number of runs at a time, at most; None uses the whole cluster.

    Raises:
        ImportError: When Ray is not installed.
        ConnectionError: When the address does not answer.
        ValueError: When the fraction is out of range.
    """

    def __init__(self, address: str, gpu_fraction: float = 0.0, threads: int = 1, jobs: int | None = None) -> None:
        if gpu_fraction < 0 or (gpu_fraction > 1 and gpu_fraction != int(gpu_fraction)):
            raise ValueError(f"--gpu-fraction must be between 0 and 1, or a whole number, got {gpu_fraction:g}.")
        try:
            import ray
        except ImportError as error:
            raise ImportError("--ray needs the package 'ray': pip install ray.") from error
        _require_answer(address)
        self._ray: Any = ray
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError) as error:
            raise ConnectionError(
                f"No Ray cluster at '{address}': {error}. Start one with 'ray start --head'."
            ) from error
        self.threads, self.gpu_fraction, self.jobs = threads, gpu_fraction, jobs
        options = ray.remote(num_cpus=threads, num_gpus=gpu_fraction, max_retries=RETRIES)
        self._task: Any = options(_run)
        self._tasks: dict[Run, Any] = {}

    @property
    def slots(self) -> int:
        """The number of runs that the cluster can carry out at a time."""
        have = self._ray.cluster_resources()
        room = have.get("CPU", 0) // self.threads
        if self.gpu_fraction:
            room = min(room, have.get("GPU", 0) // self.gpu_fraction)
        return int(min(room, self.jobs or room))

    def start(self, run: Run) -> None:
        """Start a run whose configs are already written."""
        self._tasks[run] = self._task.remote(str(run.folder), self.threads)

    def ended(self) -> list[tuple[Run, str | None]]:
        """The runs that ended since the last call, each with the reason if it failed, else None."""
        tasks = list(self._tasks.values())
        ready = set(self._ray.wait(tasks, num_returns=len(tasks), timeout=0)[0]) if tasks else set()
        done = [run for run, task in self._tasks.items() if task in ready]
        return [(run, self._outcome(run, self._tasks.pop(run))) for run in done]

    def _outcome(self, run: Run, task: Any) -> str | None:
        try:
            code: int = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return f"Ray lost the run: {error}"
        return None if code == 0 else failure(run.folder, code)

    def stop(self) -> None:
        """Stop all runs and leave the cluster."""
        for task in self._tasks.values():
            self._ray.cancel(task, force=True)
        self._tasks.clear()
        self._ray.shutdown()


def _run(folder: str, threads: int) -> int:
    return launch(Path(folder), threads).wait()


def _require_answer(address: str) -> None:
    """Fail after a few seconds; Ray itself waits much longer for an address that does not answer."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    try:
        socket.create_connection((host, int(port)), TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"No Ray cluster answers at '{address}': {error}. Give host:port as 'ray start --head' prints it."
        ) from error
