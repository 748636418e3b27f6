# SPDX-License-Identifier: Apache-2.0
"""Pairs of layers, for losses that take several layers at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from monai_kd.losses.parts.shape_checks import check_same_batch

__all__ = ["as_layers"]


def as_layers(
    student: torch.Tensor | Sequence[torch.Tensor], teacher: torch.Tensor | Sequence[torch.Tensor]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """
    The layers of student and teacher in pairs, the teacher's detached; a single tensor is one layer.

    Raises:
        ValueError: When the numbers of layers differ or are 0, or batches or ranks differ.

    Example:
        >>> student, teacher = [torch.zeros(2, 3, 8, 8), torch.zeros(2, 4, 4, 4)], [torch.ones(2, 5, 8, 8)] * 2
        >>> [(tuple(s.shape), tuple(t.shape)) for s, t in as_layers(student, teacher)]
        [((2, 3, 8, 8), (2, 5, 8, 8)), ((2, 4, 4, 4), (2, 5, 8, 8))]
    """
    students = [student] if isinstance(student, torch.Tensor) else list(student)
    teachers = [teacher] if isinstance(teacher, torch.Tensor) else list(teacher)
    if len(students) != len(teachers) or not students:
        raise ValueError(
            f"student has {len(students)} layers and teacher {len(teachers)}. Give both the same number, at least one."
        )
    for i, (s, t) in enumerate(zip(students, teachers, strict=True)):
        check_same_batch(s, t, f"In layer {i} of the list, ")
    if len({len(s) for s in students}) > 1:
        raise ValueError(
            f"The layers {[tuple(s.shape) for s in students]} of the student and {[tuple(t.shape) for t in teachers]} "
            "of the teacher hold different batches. Pass the features of one forward pass of each."
        )
    return [(s, t.detach()) for s, t in zip(students, teachers, strict=True)]
