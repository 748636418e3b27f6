# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_kd.utils.messages import first_line
from monai_kd.utils.processes import is_distributed, process_count, rank

__all__ = ["distribute", "name_lost_process"]

# Messages of gloo, NCCL and the rendezvous store about a lost process; ncclSystemError may also be a full /dev/shm.
LOST = re.compile(
    r"connection (was )?(likely )?(closed|reset|refused)|got 0 bytes|broken pipe|tim(ed|ing) ?out|"
    r"pair closure|remote process exited|ncclRemoteError",
    re.I,
)


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
