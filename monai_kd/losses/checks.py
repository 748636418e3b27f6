# SPDX-License-Identifier: Apache-2.0
"""What every loss on a pair of logits checks before it computes."""

from __future__ import annotations

import torch

__all__ = ["check_same_shape", "check_temperature"]


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


def check_temperature(temperature: float) -> None:
    """
    Refuse a temperature that is not a positive number.

    Args:
        temperature: divisor of the logits.

    Raises:
        ValueError: When ``temperature`` is zero or less.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}. Use 1.0 for unsoftened probabilities.")
