# SPDX-License-Identifier: Apache-2.0
"""Checks of adversarial training, before it begins and in each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine
from torch import nn
from torch.optim import Optimizer

from monai_kd.utils.processes import process_count, sum_of_all

__all__ = ["check_optimizer", "check_ownership", "divergence"]


def _held(optimizer: Optimizer) -> set[int]:
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}


def check_optimizer(handler: str, discriminator: nn.Module, optimizer: Optimizer) -> None:
    """
    Refuse an optimizer that does not hold all trainable parameters of the discriminator and no others.

    Args:
        handler: its class name, for the message.
    """
    if _held(optimizer) != {id(p) for p in discriminator.parameters() if p.requires_grad}:
        raise ValueError(
            f"The optimizer of {handler} holds other parameters than the discriminator's. Build it over "
            "discriminator.parameters(), for this discriminator only."
        )


def check_ownership(handler: str, discriminator: nn.Module, engine: Engine) -> None:
    """
    Refuse a discriminator that the student's optimizer would train, or that each process would train by itself.

    Args:
        handler: its class name, for the message.
        engine: the student's trainer.
    """
    students: Any = getattr(engine, "optimizer", None)
    if students is not None and _held(students) & {id(p) for p in discriminator.parameters()}:
        raise ValueError(
            f"The trainer's optimizer holds the discriminator of {handler}, and would train it to help the student. "
            "Remove it there: the handler has its own optimizer."
        )
    if process_count() > 1 and not isinstance(discriminator, nn.parallel.DistributedDataParallel):
        raise ValueError(
            f"Training is distributed, and every process would train its own discriminator of {handler}. Wrap it "
            "before building its optimizer: monai_kd.engines.distribute(discriminator, device)."
        )


def divergence(values: Sequence[torch.Tensor], limit: float, scaler: torch.amp.GradScaler) -> list[float] | None:
    """
    The values, the same in all processes, if one is not finite or exceeds the limit in any process; else None.

    Args:
        values: scalars on the device; the last one is the norm of unscaled gradients.
        limit: largest absolute value allowed.
        scaler: it skips steps whose gradients overflow, so an infinite norm counts only at a scale of 1.

    Example:
        >>> scaler = torch.amp.GradScaler("cpu", enabled=False)
        >>> divergence([torch.tensor(-3.0)], 10.0, scaler), divergence([torch.tensor(float("nan"))], 10.0, scaler)
        (None, [nan])
    """
    # The sum is not finite if one process's value is not.
    sizes = sum_of_all(torch.stack([value.float().abs() for value in values]))
    found: list[float] = sizes.tolist()  # the only transfer from the device
    allowed = found
    if scaler.is_enabled() and not math.isfinite(found[-1]) and scaler.get_scale() > 1:
        allowed = found[:-1]
    return None if all(size <= limit for size in allowed) else found
