# SPDX-License-Identifier: Apache-2.0
"""What a loss checks before it computes."""

from __future__ import annotations

import torch

__all__ = ["check_features", "check_same_batch", "check_same_shape", "check_samples"]


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


def check_same_batch(student: torch.Tensor, teacher: torch.Tensor) -> None:
    """
    Refuse features that are not images of the same samples, for losses that compare different channels and sizes.

    Args:
        student: shape BNH[WD].
        teacher: the same batch and rank; channels and spatial size may differ.

    Raises:
        ValueError: When batches or ranks differ.
    """
    if student.ndim != teacher.ndim or len(student) != len(teacher):
        raise ValueError(
            f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
            "Give both networks the same batch, and pair layers whose output is an image."
        )


def check_samples(student: torch.Tensor, teacher: torch.Tensor, name: str) -> None:
    """
    Refuse batches between whose samples there is nothing to compare.

    Args:
        student: one sample for each entry of the first axis.
        teacher: the same samples, in any other shape.
        name: the loss, for the message.

    Raises:
        ValueError: When the batches differ or hold one sample.
    """
    shapes = f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
    if len(student) != len(teacher):
        raise ValueError(shapes + "Give both networks the same batch.")
    if len(student) == 1:
        raise ValueError(
            shapes + f"{name} compares the samples of a batch with each other: give two or more. If the last batch of "
            "an epoch holds one image, set drop_last=True in the data loader, or change the batch size."
        )
