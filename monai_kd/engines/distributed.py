# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["distribute"]


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
