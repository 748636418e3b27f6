# SPDX-License-Identifier: Apache-2.0
"""Add a term to the loss of a running trainer, read the terms for logging, and warn of those that teach nothing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine

from monai_kd.utils.plain_tensor import plain

__all__ = [
    "add_loss_term",
    "detached_terms",
    "loss_terms",
    "require_weight",
    "tell_no_gradient",
    "warn_of_no_gradient",
    "warn_of_probabilities",
]


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


def warn_of_no_gradient(pathways: Any, student: Mapping[str, torch.Tensor]) -> None:
    """
    Warn of each pathway that ends at a part of the student which is not trained.

    Args:
        pathways: those of the distiller.
        student: the student's features by layer, with their gradient history.
    """
    for name, pathway in pathways.items():
        dead = [
            layer
            for layer in dict.fromkeys(pathway.student_layers)
            if not getattr(student.get(layer), "requires_grad", True)
        ]
        if pathway.weight and dead:
            tell_no_gradient(name, dead)


def tell_no_gradient(name: str, layers: Sequence[str]) -> None:
    """
    Warn that a pathway ends at layers without a gradient.

    Args:
        name: the pathway's.
        layers: of the student; the empty name is its output.
    """
    named = " and ".join(f"layer '{layer}'" if layer else "output" for layer in layers)
    warnings.warn(
        f"The pathway '{name}' teaches the student nothing at its {named}, which has no gradient: that part is frozen "
        "(requires_grad=False), detached, or run without gradients (torch.no_grad, or torch.utils.checkpoint with "
        "use_reentrant=True). Name another student_layer, or train that part.",
        stacklevel=4,
    )


def warn_of_probabilities(
    pathways: Any, student: Mapping[str, torch.Tensor], teacher: Mapping[str, torch.Tensor]
) -> None:
    """
    Warn of each loss that takes logits and is given probabilities: their softmax is nearly uniform, and teaches little.

    Args:
        pathways: as for :func:`warn_of_no_gradient`; losses with a temperature take logits.
        student: the student's features by layer; the output has the shape BNH[WD].
        teacher: the teacher's, alike.
    """
    for name, pathway in pathways.items():
        if getattr(pathway.loss, "temperature", None) is None or getattr(pathway.loss, "sigmoid", False):
            continue
        for side, layers, values in (
            ("student", pathway.student_layers, student),
            ("teacher", pathway.teacher_layers, teacher),
        ):
            if "" in layers and _are_probabilities(values.get("")):
                warnings.warn(
                    f"The {side} gives probabilities (0 to 1, with the sum 1 over the channels), but the "
                    f"{type(pathway.loss).__name__} of the pathway '{name}' takes logits. Leave the network's softmax "
                    "out.",
                    stacklevel=3,
                )


def _are_probabilities(output: Any) -> bool:
    if not isinstance(output, torch.Tensor) or output.ndim < 2 or output.shape[1] < 2 or not output.numel():
        return False
    values = plain(output).detach().float()
    total = values.sum(dim=1)
    return bool((values >= 0).all() and torch.isclose(total, torch.ones_like(total), atol=1e-2).all())
