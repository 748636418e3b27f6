# SPDX-License-Identifier: Apache-2.0
"""What a loss checks before it computes."""

from __future__ import annotations

import torch

__all__ = ["check_same_shape"]


def check_same_shape(student: torch.Tensor, teacher: torch.Tensor) -> None:
    """
    Refuse a pair that broadcasting would silently accept.

    Args:
        student: shape BNH[WD].
        teacher: must have the student's shape.

    Raises:
        ValueError: When the shapes differ.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"student has shape {tuple(student.shape)} but teacher has shape {tuple(teacher.shape)}. "
            "Both must match: give the networks the same out_channels and input, or match features by an adapter."
        )
