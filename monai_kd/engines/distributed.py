# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["distribute", "name_lost_process"]


def distribute(module: nn.Module, device: torch.device | str) -> nn.Module:
    """
    Move a module to its device and, in distributed training, wrap it in ``DistributedDataParallel`` if it has weights
    to train (which refuses a module without any). In a single process it is only moved, so one config serves both.

    Args:
        module: a network or :class:`monai_kd.Pathways`.
        device: this process's device.
    """
    device = torch.device(device)
    module = module.to(device)
    distributed = dist.is_available() and dist.is_initialized()
    if not distributed or not any(parameter.requires_grad for parameter in module.parameters()):
        return module
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)


@contextmanager
def name_lost_process() -> Iterator[None]:
    """
    Say, where one of several processes has ended or stands still, that it was another one and what to do.

    gloo notices a process that ended at once, one that stands still after the time-out that the process group was
    initialized with; its error tells of sockets.

    Raises:
        ConnectionError: In place of the communication library's own error.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not (dist.is_available() and dist.is_initialized() and ("gloo" in text or "nccl" in text.lower())):
            raise
        raise ConnectionError(
            f"Process {dist.get_rank()} of {dist.get_world_size()} waits for another one in vain: that one has ended, "
            f"or does not answer any more; its own output tells why. ({text.splitlines()[0]}) "
            "Give the same command again: a run with a ResumeHandler goes on after its last whole epoch."
        ) from error
