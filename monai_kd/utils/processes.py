# SPDX-License-Identifier: Apache-2.0
"""
This process: its number among the processes of one training, its parent and its processor.

ignite.distributed is not asked: its first answer about a process group that torch made needs all processes to ask, and
here one may ask alone. torch is not imported: a process that has not imported it has no process group.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

__all__ = [
    "cpu_name",
    "end_with",
    "gather",
    "is_distributed",
    "is_first_process",
    "process_count",
    "rank",
    "sum_of_all",
]

T = TypeVar("T")

CPUS = Path("/proc/cpuinfo")


def _group() -> Any:
    """``torch.distributed`` where it has a process group, else None."""
    distributed: Any = sys.modules.get("torch.distributed")
    is_there = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed if is_there else None


def is_distributed() -> bool:
    """
    Whether there is a process group, even of one process.

    Example:
        >>> is_distributed()
        False
    """
    return _group() is not None


def rank() -> int:
    """
    The number of this process, from 0; 0 without a process group.

    Example:
        >>> rank()
        0
    """
    group = _group()
    return 0 if group is None else int(group.get_rank())


def is_first_process() -> bool:
    """
    Whether this process writes what all found together.

    Example:
        >>> is_first_process()
        True
    """
    return rank() == 0


def process_count() -> int:
    """
    The number of processes; 1 without a process group.

    Example:
        >>> process_count()
        1
    """
    group = _group()
    return 1 if group is None else int(group.get_world_size())


def gather(values: list[T]) -> list[T]:
    """
    The values of all processes, those of the first process first.

    Args:
        values: this process's.

    Example:
        >>> gather([1, 2])
        [1, 2]
    """
    group = _group()
    if group is None:
        return list(values)
    lists: list[Any] = [None] * process_count()
    group.all_gather_object(lists, values)
    return [value for each in lists for value in each]


def sum_of_all(tensor: torch.Tensor) -> torch.Tensor:
    """
    The sum of the tensors of all processes, in place.

    Args:
        tensor: this process's, of the same shape in all processes; it becomes the sum.

    Example:
        >>> import torch
        >>> sum_of_all(torch.ones(2))
        tensor([1., 1.])
    """
    group = _group()
    if group is not None:
        group.all_reduce(tensor)
    return tensor


def end_with(parent: int) -> None:
    """End this process, without cleanup, when the process of id ``parent`` is no longer its parent."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def cpu_name() -> str:
    """The processor's name, the number of threads that torch uses, and the number of cores."""
    import torch

    lines = CPUS.read_text(encoding="utf-8").splitlines() if CPUS.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {torch.get_num_threads()} of {max(1, len(models))} cores"
