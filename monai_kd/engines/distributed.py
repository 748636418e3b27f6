# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_kd.utils.messages import first_line
from monai_kd.utils.processes import is_distributed, process_count, rank

__all__ = ["distribute", "join_processes", "name_lost_process", "process_device"]

# Messages of gloo, NCCL and the rendezvous store about a lost process; ncclSystemError may also be a full /dev/shm.
LOST = re.compile(
    r"connection (was )?(likely )?(closed|reset|refused)|got 0 bytes|broken pipe|tim(ed|ing) ?out|"
    r"pair closure|remote process exited|ncclRemoteError",
    re.I,
)


def process_device() -> torch.device:
    """
    The GPU of this process, one of those that torchrun started on this machine; the CPU if there are fewer GPUs.

    Example:
        >>> process_device().type in ("cuda", "cpu")
        True
    """
    place, count = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return torch.device("cuda", place) if torch.cuda.device_count() >= count else torch.device("cpu")


def join_processes(device: torch.device | str, timeout: float) -> None:
    """
    Join the processes that torchrun started: by NCCL on GPUs, by gloo on the CPU.

    Args:
        device: of this process.
        timeout: seconds to wait for another process.

    Raises:
        ValueError: When torchrun did not start this process.
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if is_distributed():
        return
    if "RANK" not in os.environ:
        raise ValueError(
            "multi_gpu_train is for several processes, but torchrun did not start this one. Write: torchrun "
            "--nproc_per_node=2 -m monai_kd run …, or leave the overlay out."
        )
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(seconds=timeout))


def distribute(module: nn.Module, device: torch.device | str, **arguments: Any) -> nn.Module:
    """
    Move a module to its device and, in distributed training, wrap it in ``DistributedDataParallel``.

    A module without trainable weights is only moved, because ``DistributedDataParallel`` refuses it. In a single
    process every module is only moved, so one config works for both.

    Args:
        module: a network or :class:`monai_kd.Pathways`.
        device: this process's device.
        arguments: further arguments of ``DistributedDataParallel``, such as ``find_unused_parameters=True`` if a part
            of the network gets no gradient (:class:`monai_kd.DistillationTrainer` names such a part).

    Example:
        >>> distribute(nn.Linear(2, 1), "cpu")  # in one process
        Linear(in_features=2, out_features=1, bias=True)
    """
    device = torch.device(device)
    module = module.to(device)
    if not is_distributed() or not any(parameter.requires_grad for parameter in module.parameters()):
        return module
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None, **arguments)


@contextmanager
def name_lost_process() -> Iterator[None]:
    """
    Replace the communication library's error about a lost process by one that says what happened and what to do.

    gloo notices at once if a process has ended, and after the process group's time-out if it hangs. Its own error is
    about sockets, and NCCL's about a remote process. Their other errors (two processes on one GPU, too little memory,
    tensors of different sizes) do not change.

    Raises:
        ConnectionError: In place of the communication library's own error.
    """
    try:
        yield
    except RuntimeError as error:
        if not (is_distributed() and _is_of_lost_process(error)):
            raise
        raise ConnectionError(
            f"Process {rank()} of {process_count()} lost the connection to another process, which has "
            f"ended or does not respond. The output of that process says why. ({first_line(error)}) "
            "Run the same command again: a run with a ResumeHandler continues after its last complete epoch."
        ) from error


def _is_of_lost_process(error: RuntimeError) -> bool:
    text = str(error)
    is_communication = isinstance(error, dist.DistError) or re.search("gloo|nccl|pair closure", text, re.I)  # gloo's
    return bool(is_communication and LOST.search(text))
