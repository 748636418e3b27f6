# SPDX-License-Identifier: Apache-2.0
"""What a game between student and discriminator checks before it begins, and in each of its rounds."""

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
    Refuse an optimizer that would leave a part of the discriminator untrained, or train something else.

    Args:
        handler: its class's name, for the message.
        discriminator: wrapped for several processes or not.
        optimizer: should hold all its trainable parameters and no others.

    Raises:
        ValueError: When it does not.
    """
    if _held(optimizer) != {id(p) for p in discriminator.parameters() if p.requires_grad}:
        raise ValueError(
            f"The optimizer of {handler} holds other parameters than the discriminator's. Build it over "
            "discriminator.parameters(), for this discriminator alone."
        )


def check_ownership(handler: str, discriminator: nn.Module, engine: Engine) -> None:
    """
    Refuse a discriminator that the student's optimizer would train, or that each process would train by itself.

    Args:
        handler: its class's name, for the message.
        discriminator: wrapped for several processes or not.
        engine: the trainer.

    Raises:
        ValueError: When one of both is so.
    """
    students: Any = getattr(engine, "optimizer", None)
    if students is not None and _held(students) & {id(p) for p in discriminator.parameters()}:
        raise ValueError(
            f"The trainer's optimizer holds the discriminator of {handler}, and would make it help the student. Leave "
            "it out there: the handler has an optimizer of its own."
        )
    if process_count() > 1 and not isinstance(discriminator, nn.parallel.DistributedDataParallel):
        raise ValueError(
            f"Training is distributed, and every process would train its own discriminator of {handler}. Wrap it "
            "before building its optimizer: monai_kd.engines.distribute(discriminator, device)."
        )


def divergence(values: Sequence[torch.Tensor], limit: float, scaler: torch.amp.GradScaler) -> list[float] | None:
    """
    The values, if one of them is not finite or exceeds the limit in any process; all processes then get them alike.

    Args:
        values: scalars on the device, the last of them the norm of unscaled gradients.
        limit: largest absolute value allowed.
        scaler: one that tries large factors leaves out the steps that overflow; only at a factor of 1 do they tell.

    Example:
        >>> scaler = torch.amp.GradScaler("cpu", enabled=False)
        >>> divergence([torch.tensor(-3.0)], 10.0, scaler), divergence([torch.tensor(float("nan"))], 10.0, scaler)
        (None, [nan])
    """
    # A sum, in which what is not finite in one process stays so.
    sizes = sum_of_all(torch.stack([value.float().abs() for value in values]))
    found: list[float] = sizes.tolist()  # the one transfer from the device
    allowed = found
    if scaler.is_enabled() and not math.isfinite(found[-1]) and scaler.get_scale() > 1:
        allowed = found[:-1]
    return None if all(size <= limit for size in allowed) else found
