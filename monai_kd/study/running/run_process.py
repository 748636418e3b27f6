# SPDX-License-Identifier: Apache-2.0
"""Start the process of a run, and read its progress and its error from its log."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["epochs", "failure", "launch"]

TAIL = 65536  # bytes that are read from the end of a log
LINES = 6
EPOCH = re.compile(rb"Epoch: (\d+)/(\d+)")


def launch(folder: Path, threads: int, gpu: str | None = None) -> subprocess.Popen[bytes]:
    """
    Start a run; its output is appended to ``log.txt``.

    Args:
        folder: of the run, with its configs.
        threads: CPU threads, unless ``OMP_NUM_THREADS`` is set.
        gpu: value of ``CUDA_VISIBLE_DEVICES`` for the run. Defaults to None, which keeps this process's value.
    """
    # Without these limits glibc returns memory to the system after every training step, which costs time.
    defaults = {
        "OMP_NUM_THREADS": str(threads),
        "MALLOC_TRIM_THRESHOLD_": "1000000000",
        "MALLOC_MMAP_THRESHOLD_": "33554432",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "monai_kd.study.running.worker", str(folder), str(os.getpid())]
    with (folder / "log.txt").open("ab") as log:
        # In its own session the run does not receive Ctrl-C: the study receives it and stops its runs.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**defaults, **os.environ, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})},
            start_new_session=True,
        )


def failure(folder: Path, code: int) -> str:
    """Why a run failed, with the last lines of its log; ``code`` is the exit status, or minus the signal's number."""
    lines = _tail(folder / "log.txt").decode(errors="replace").splitlines()
    how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    shown = "\n".join(f"  {line}" for line in lines[-LINES:])
    return f"{how}; the last lines of {folder / 'log.txt'}:\n{shown}"


def epochs(folder: Path) -> tuple[int, int] | None:
    """The epoch that a run is in, and the number of all epochs; None before the first."""
    found = EPOCH.findall(_tail(folder / "log.txt"))
    return (int(found[-1][0]), int(found[-1][1])) if found else None


def _tail(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read()
