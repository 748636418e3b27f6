# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["distribute"]


def distribute(module: nn.Module, device: torch.device) -> nn.Module:
    """
    Wrap a module for distributed training where it has weights to train; otherwise return it as it is, since
    ``DistributedDataParallel`` refuses a module without any.

    Args:
        module: a network or :class:`monai_kd.Pathways`; moved to the device.
        device: this process's device.
    """
    module = module.to(device)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return module
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)
