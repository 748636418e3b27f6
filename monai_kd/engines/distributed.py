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

# What gloo, NCCL and the store through which processes meet say then; ncclSystemError alone may be a full /dev/shm.
LOST = re.compile(
    r"connection (was )?(likely )?(closed|reset|refused)|got 0 bytes|broken pipe|tim(ed|ing) ?out|"
    r"pair closure|remote process exited|ncclRemoteError",
    re.I,
)


def distribute(module: nn.Module, device: torch.device | str, **arguments: Any) -> nn.Module:
    """
    Move a module to its device and, in distributed training, wrap it in ``DistributedDataParallel`` if it has weights
    to train (which refuses a module without any). In a single process it is only moved, so one config serves both.

    Args:
        module: a network or :class:`monai_kd.Pathways`.
        device: this process's device.
        arguments: further ones of ``DistributedDataParallel``: ``find_unused_parameters=True`` for a network of which
            a part gets no gradient (:class:`monai_kd.DistillationTrainer` names such a part), ``static_graph`` …

    Returns:
        The module, wrapped or not.

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
    Say, where one of several processes has ended or stands still, that it was another one and what to do.

    gloo notices a process that ended at once, one that stands still after the time-out that the process group was
    initialized with; its error tells of sockets, and NCCL's of a remote process. Other errors of theirs (two processes
    on one GPU, too little memory, tensors of different sizes) stay what they are.

    Raises:
        ConnectionError: In place of the communication library's own error.
    """
    try:
        yield
    except RuntimeError as error:
        if not (is_distributed() and _is_of_lost_process(error)):
            raise
        raise ConnectionError(
            f"Process {rank()} of {process_count()} waits for another one in vain: that one has ended, "
            f"or does not answer any more; its own output tells why. ({first_line(error)}) "
            "Give the same command again: a run with a ResumeHandler goes on after its last whole epoch."
        ) from error


def _is_of_lost_process(error: RuntimeError) -> bool:
    text = str(error)
    is_communication = isinstance(error, dist.DistError) or re.search("gloo|nccl|pair closure", text, re.I)  # gloo's
    return bool(is_communication and LOST.search(text))
