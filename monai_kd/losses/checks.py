# SPDX-License-Identifier: Apache-2.0
"""What a loss checks before it computes."""

from __future__ import annotations

import torch

__all__ = ["check_features", "check_same_shape"]


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


def check_features(student: torch.Tensor, teacher: torch.Tensor, are_outputs: bool) -> None:
    """
    Refuse features that do not match, naming the adapter that would make them match.

    Args:
        student: shape BNH[WD].
        teacher: must have the student's shape.
        are_outputs: whether these are the networks' outputs, not hidden features.

    Raises:
        ValueError: When the shapes differ.
    """
    if student.shape == teacher.shape:
        return
    message = f"student feature is {tuple(student.shape)} but teacher feature is {tuple(teacher.shape)}. "
    arguments = f"spatial_dims={student.ndim - 2}, in_channels={student.shape[1]}, out_channels={teacher.shape[1]}"
    if student.ndim != teacher.ndim or len(student) != len(teacher):
        remedy = "Pair layers of one resolution; layer_shapes lists them."
    elif student.shape[2:] != teacher.shape[2:]:
        remedy = "Pair layers of one resolution (layer_shapes lists them), or add an adapter that resizes"
        remedy += "." if are_outputs else f": student_adapter=FeatureRegressor({arguments})."
    elif are_outputs:
        remedy = "Give student and teacher the same out_channels, or select the teacher's by teacher_adapter."
    else:
        remedy = f"Add student_adapter=ChannelAdapter({arguments})."
    raise ValueError(message + remedy)
