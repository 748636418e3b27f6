# SPDX-License-Identifier: Apache-2.0
"""The value of a loss for one or several layers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from monai_kd.losses.parts.precision import full_precision

__all__ = ["evaluate"]


@full_precision
def evaluate(
    loss: Callable[..., torch.Tensor], students: list[torch.Tensor], teachers: list[torch.Tensor], **extra: torch.Tensor
) -> torch.Tensor:
    """
    The mean over the pairs of layers; a loss with an attribute ``joint = True`` gets all layers at once.

    Args:
        loss: of (student, teacher), or of both lists.
        students: features, each of shape BN[HWD].
        teachers: features, each of shape BM[HWD].
        extra: further entries of the batch that the loss takes, by name.

    Example:
        >>> evaluate(torch.nn.MSELoss(), [torch.zeros(1, 2)] * 2, [torch.ones(1, 2), 3 * torch.ones(1, 2)])
        tensor(5.)
    """
    if getattr(loss, "joint", False):
        return loss(students, teachers, **extra).mean()
    terms = [loss(student, teacher, **extra).mean() for student, teacher in zip(students, teachers, strict=True)]
    return torch.stack(terms).mean()
