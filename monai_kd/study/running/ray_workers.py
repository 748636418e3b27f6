# SPDX-License-Identifier: Apache-2.0
"""Runs on the machines of a Ray cluster."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from monai_kd.study.running.run_process import failure, launch
from monai_kd.study.running.runs import Run

__all__ = ["RayWorkers"]

TIMEOUT = 5.0  # seconds for the cluster to answer
RETRIES = 3  # of a run whose machine was lost


class RayWorkers:
    """
    Tasks of a Ray cluster, each the process of one run.

    All machines must see the study's folder and the data under the same paths, and have this package installed. A run
    whose machine is lost is started again on another one and goes on from its last epoch.

    Args:
        address: of the cluster: ``"host:port"``, ``"ray://host:port"``, or ``"auto"``.
        gpu_fraction: of a GPU for each run; 0 for runs on the CPU.
        threads: CPU cores for each run.
        jobs: at most so many runs at a time; None is as many as the cluster has room for.

    Raises:
        ImportError: When Ray is not installed.
        ConnectionError: When the address does not answer.
        ValueError: When the fraction is out of range.
    """

    def __init__(self, address: str, gpu_fraction: float = 0.0, threads: int = 1, jobs: int | None = None) -> None:
        if gpu_fraction < 0 or (gpu_fraction > 1 and gpu_fraction != int(gpu_fraction)):
            raise ValueError(f"A run takes a fraction of a GPU, or whole ones, got --gpu-fraction {gpu_fraction:g}.")
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
        """How many runs the cluster has room for now."""
        have = self._ray.cluster_resources()
        room = have.get("CPU", 0) // self.threads
        if self.gpu_fraction:
            room = min(room, have.get("GPU", 0) // self.gpu_fraction)
        return int(min(room, self.jobs or room))

    def start(self, run: Run) -> None:
        """
        Start a run.

        Args:
            run: to start; its configs are written.
        """
        self._tasks[run] = self._task.remote(str(run.folder), self.threads)

    def ended(self) -> list[tuple[Run, str | None]]:
        """The runs that ended since the last call, each with the reason if it failed."""
        tasks = list(self._tasks.values())
        ready = set(self._ray.wait(tasks, num_returns=len(tasks), timeout=0)[0]) if tasks else set()
        done = [run for run, task in self._tasks.items() if task in ready]
        return [(run, self._outcome(run, self._tasks.pop(run))) for run in done]

    def _outcome(self, run: Run, task: Any) -> str | None:
        try:
            code: int = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return f"lost by Ray: {error}"
        return None if code == 0 else failure(run.folder, code)

    def stop(self) -> None:
        """End all runs and leave the cluster."""
        for task in self._tasks.values():
            self._ray.cancel(task, force=True)
        self._tasks.clear()
        self._ray.shutdown()


def _run(folder: str, threads: int) -> int:
    return launch(Path(folder), threads).wait()


def _require_answer(address: str) -> None:
    """Ray itself waits long for an address that does not answer."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    try:
        socket.create_connection((host, int(port)), TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"No Ray cluster answers at '{address}': {error}. Give host:port as 'ray start --head' prints it."
        ) from error
