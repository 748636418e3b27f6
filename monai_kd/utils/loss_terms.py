# SPDX-License-Identifier: Apache-2.0
"""Add a term to the loss of a running trainer, and read the terms for logging."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine

from monai_kd.utils.plain_tensor import plain

__all__ = ["add_loss_term", "detached_terms", "loss_terms", "require_weight"]


def add_loss_term(engine: Engine, name: str, value: torch.Tensor) -> None:
    """
    Add a term to the loss of the current iteration and log it under a name.

    Call it between ``LOSS_COMPLETED`` and the backward pass: from a handler of that event.

    Args:
        engine: a MONAI trainer whose ``state.output`` is a dictionary with "loss".
        name: key under which the value is logged in ``engine.state.output``; must not exist there yet.
        value: scalar, already multiplied by its weight, with its gradient history.

    Raises:
        ValueError: When the value is not a scalar, or the name exists already.

    Example:
        >>> import torch
        >>> from ignite.engine import Engine
        >>> engine = Engine(lambda engine, batch: None)
        >>> engine.state.output = {"loss": torch.tensor(1.0)}
        >>> add_loss_term(engine, "adversarial", torch.tensor(0.5))
        >>> engine.state.output["loss"], engine.state.output["adversarial"]
        (tensor(1.5000), tensor(0.5000))
    """
    output: Any = engine.state.output
    value = plain(value)
    if value.ndim != 0:
        raise ValueError(f"Loss term '{name}' has shape {tuple(value.shape)}, expected a scalar. Reduce it by .mean().")
    if name in output:
        raise ValueError(f"Loss term '{name}' is already in engine.state.output ({sorted(output)}). Rename it.")
    output["loss"] = plain(output["loss"]) + value
    output[name] = value.detach()


def loss_terms(output: Any) -> dict[str, float]:
    """
    The scalars of an engine's output, by name.

    It serves as ``output_transform`` of ``StatsHandler``, ``TensorBoardStatsHandler``, ``MLFlowHandler`` and ignite's
    ``ProgressBar``, which then log the total loss and every term.

    Args:
        output: ``engine.state.output``, before or after MONAI's decollation.

    Example:
        >>> import torch
        >>> loss_terms([{"loss": torch.tensor(1.5), "logits": torch.tensor(0.5), "image": torch.zeros(1, 4, 4)}])
        {'loss': 1.5, 'logits': 0.5}
    """
    return {name: float(value) for name, value in detached_terms(output).items()}


def detached_terms(output: Any) -> dict[str, float | torch.Tensor]:
    """``loss_terms`` as they are, on their device: a number would have to wait for it."""
    first = output[0] if isinstance(output, list) else output
    scalars = {k: v for k, v in first.items() if isinstance(v, float) or (isinstance(v, torch.Tensor) and v.ndim == 0)}
    return {str(k): v.detach() if isinstance(v, torch.Tensor) else v for k, v in scalars.items()}


def require_weight(name: str, weight: Any) -> None:
    """
    Refuse a weight of the loss under which training would raise a term: a negative one, NaN or infinity.

    Args:
        name: of the argument, for the message.
        weight: a number, or a tensor with one.

    Raises:
        ValueError: When it is not from 0.
    """
    if not 0 <= float(weight) < float("inf"):
        raise ValueError(
            f"{name} must be a number from 0, got {weight}: training makes the sum of the weighted terms small, so a "
            "negative weight would make its term large. Set it to 0 to leave the term out."
        )
