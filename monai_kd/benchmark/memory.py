# SPDX-License-Identifier: Apache-2.0
"""The memory that a network needs beyond its libraries, measured in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from monai_kd.export.runners import Runner

__all__ = ["peak_memory"]

STATUS = Path("/proc/self/status")
RUNS = 5


def peak_memory(
    load: Callable[[], Runner], libraries: tuple[str, ...], image: npt.NDArray[Any], threads: int = 1
) -> float | None:
    """
    Load and run a candidate in a fresh process.

    Args:
        load: the candidate's; can be pickled.
        libraries: modules that are imported first and do not count.
        image: that it is run on.
        threads: of the CPU, that torch uses.

    Returns:
        The most megabytes (10⁶ bytes) in use at a time, less those before loading; None where the system is not Linux.

    Raises:
        ValueError: When the process was ended, for instance because there is too little memory.
    """
    if not STATUS.is_file():
        return None
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            return fresh.submit(_measure, load, libraries, image, threads).result()
    except BrokenProcessPool as error:
        raise ValueError(
            "The process that measures memory was ended before it was done. Free memory, or use a smaller --image-size."
        ) from error


def _measure(load: Callable[[], Runner], libraries: tuple[str, ...], image: npt.NDArray[Any], threads: int) -> float:
    for name in libraries:
        __import__(name)
    torch.set_num_threads(threads)
    before = _kilobytes("VmRSS")  # importing has not exceeded it: the process's peak is that of loading and running
    run = load()
    for _ in range(RUNS):
        run(image)
    return (_kilobytes("VmHWM") - before) * 1024 / 1e6


def _kilobytes(name: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name))
