# SPDX-License-Identifier: Apache-2.0
"""Full precision for losses, also where the networks run in half precision."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["full_precision"]


def _raise_precision(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype in (torch.float16, torch.bfloat16):
        return value.float()
    if isinstance(value, (list, tuple)):
        return [_raise_precision(item) for item in value]
    return value


def _first_tensor(values: Iterable[Any]) -> torch.Tensor | None:
    for value in values:
        found = _first_tensor(value) if isinstance(value, (list, tuple)) else value
        if isinstance(found, torch.Tensor):
            return found
    return None


def full_precision(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """
    Make a loss, or its ``forward``, run outside autocast, with half-precision tensors (or lists of them) as float32.

    In float16, sums of squares overflow at 65504 and an epsilon of 1e-8 is zero; bfloat16 keeps only eight bits of a
    log-probability. Float64 stays float64.

    Example:
        >>> import torch
        >>> mse = full_precision(torch.nn.functional.mse_loss)
        >>> mse(torch.full((2,), 300.0, dtype=torch.half), torch.zeros(2, dtype=torch.half)).item()
        90000.0
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> torch.Tensor:
        tensor = _first_tensor((*args, *kwargs.values()))
        device_type = "cpu" if tensor is None else tensor.device.type
        with torch.autocast(device_type=device_type, enabled=False):
            return function(*(_raise_precision(a) for a in args), **{k: _raise_precision(v) for k, v in kwargs.items()})

    return wrapped
