# SPDX-License-Identifier: Apache-2.0
"""Measure the memory that a network needs beyond its libraries, in a fresh process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from monai_kd.export.forms.form import Runner

__all__ = ["peak_memory"]

STATUS = Path("/proc/self/status")
RUNS = 5


def peak_memory(
    load: Callable[[], Runner], libraries: tuple[str, ...], image: npt.NDArray[Any], threads: int = 1
) -> float | None:
    """
    Load and run a candidate in a fresh process, which imports ``libraries`` first.

    Returns:
        Peak memory minus the memory before loading, in megabytes (10⁶ bytes); None if the system is not Linux.

    Raises:
        ValueError: When the process was killed, for instance because there is too little memory.
    """
    if not STATUS.is_file():
        return None
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            return fresh.submit(_measure, load, libraries, image, threads).result()
    except BrokenProcessPool as error:
        raise ValueError(
            "The process that measures memory was killed, perhaps for lack of memory. Free some, or lower --image-size."
        ) from error


def _measure(load: Callable[[], Runner], libraries: tuple[str, ...], image: npt.NDArray[Any], threads: int) -> float:
    for name in libraries:
        __import__(name)
    torch.set_num_threads(threads)
    before = _kilobytes("VmRSS")  # importing needed no more than this, so the process's peak comes from what follows
    run = load()
    for _ in range(RUNS):
        run(image)
    return (_kilobytes("VmHWM") - before) * 1024 / 1e6


def _kilobytes(name: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name))
