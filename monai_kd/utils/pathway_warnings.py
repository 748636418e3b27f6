# SPDX-License-Identifier: Apache-2.0
"""Warnings of pathways that train, but teach the student nothing or little."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from monai_kd.utils.plain_tensor import plain

__all__ = ["warn_of_no_gradient", "warn_of_probabilities"]


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
            named = " and ".join(f"layer '{layer}'" if layer else "output" for layer in dead)
            warnings.warn(
                f"The pathway '{name}' teaches the student nothing at its {named}, which has no gradient: that part is "
                "frozen (requires_grad=False), detached, or run without gradients. Name another student_layer, or "
                "train that part.",
                stacklevel=3,
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
