# SPDX-License-Identifier: Apache-2.0
"""What losses that take several layers at once share."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["as_layers"]


def as_layers(
    student: torch.Tensor | Sequence[torch.Tensor], teacher: torch.Tensor | Sequence[torch.Tensor]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """
    The layers of student and teacher in pairs; a tensor alone is one layer.

    Args:
        student: one feature, or one for each layer.
        teacher: the same number of features; no gradient will flow into them.

    Returns:
        Pairs of the student's and the teacher's feature.

    Raises:
        ValueError: When their numbers differ, or there is none.

    Example:
        >>> [(s.item(), t.item()) for s, t in as_layers([torch.tensor(1), torch.tensor(2)], [torch.tensor(3)] * 2)]
        [(1, 3), (2, 3)]
    """
    students = [student] if isinstance(student, torch.Tensor) else list(student)
    teachers = [teacher] if isinstance(teacher, torch.Tensor) else list(teacher)
    if len(students) != len(teachers) or not students:
        raise ValueError(
            f"student has {len(students)} layers and teacher {len(teachers)}. Give as many for both, at least one."
        )
    return [(s, t.detach()) for s, t in zip(students, teachers, strict=True)]
