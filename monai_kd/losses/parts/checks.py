# SPDX-License-Identifier: Apache-2.0
"""What a loss checks before it computes."""

from __future__ import annotations

from typing import Any

import torch

__all__ = [
    "check_features",
    "check_images",
    "check_positions",
    "check_same_batch",
    "check_same_shape",
    "check_samples",
    "check_tensor",
]


def check_tensor(value: Any, side: str) -> None:
    """
    Refuse what no loss can compare: no tensor, no floating-point numbers, no batch axis, nothing in it.

    Args:
        value: of one side.
        side: "student" or "teacher", for the message.

    Raises:
        ValueError: When the value is no floating-point tensor of shape BN[HWD] with at least one number.
    """
    if not isinstance(value, torch.Tensor):
        raise ValueError(
            f"{side} is a {type(value).__name__}, not one tensor. A network with several outputs returned it: give "
            "the loss one of them."
        )
    if not value.is_floating_point():
        raise ValueError(
            f"{side} holds {str(value.dtype).removeprefix('torch.')} in shape {tuple(value.shape)}, expected "
            "floating-point numbers. Give logits or features, not class indices or masks."
        )
    if not 2 <= value.ndim <= 5 or value.numel() == 0:
        raise ValueError(
            f"{side} has shape {tuple(value.shape)}, expected BN[HWD]: a batch axis of one sample or more, a channel "
            "axis, then spatial axes if there are any. Give whole batches."
        )


def check_same_shape(student: torch.Tensor, teacher: torch.Tensor) -> None:
    """
    Refuse a pair that broadcasting would silently accept.

    Args:
        student: shape BNH[WD].
        teacher: must have the student's shape.

    Raises:
        ValueError: When the shapes differ, or one of both is no batch of floating-point numbers.
    """
    check_tensor(student, "student")
    check_tensor(teacher, "teacher")
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
    if min(student.ndim, teacher.ndim) < 2:
        raise ValueError(message + "Expected BN[HWD] of both; layer_shapes(network, image) lists each layer's shape.")
    arguments = f"spatial_dims={student.ndim - 2}, in_channels={student.shape[1]}, out_channels={teacher.shape[1]}"
    if student.ndim != teacher.ndim:
        remedy = (
            "Pair layers with the same axes; layer_shapes lists them. An axis more may hold several outputs stacked "
        )
        remedy += "(deep supervision): name the layer that gives one of them, by student_layer or teacher_layer."
    elif len(student) != len(teacher):
        remedy = "Pair layers of one resolution; layer_shapes lists them. A layer that runs several times in a forward "
        remedy += "pass gives its outputs joined along the batch: name one that runs once."
    elif student.shape[2:] != teacher.shape[2:]:
        remedy = "Pair layers of one resolution (layer_shapes lists them), or add an adapter that resizes"
        remedy += "." if are_outputs else f": student_adapter=FeatureRegressor({arguments})."
    elif are_outputs:
        remedy = "Give student and teacher the same out_channels, or select the teacher's by teacher_adapter."
    else:
        remedy = f"Add student_adapter=ChannelAdapter({arguments})."
    raise ValueError(message + remedy)


def check_same_batch(student: torch.Tensor, teacher: torch.Tensor, where: str = "") -> None:
    """
    Refuse features that are not images of the same samples, for losses that compare different channels and sizes.

    Args:
        student: shape BNH[WD].
        teacher: the same batch and rank; channels and spatial size may differ.
        where: begins the message. Defaults to nothing.

    Raises:
        ValueError: When batches or ranks differ, or one of both is no batch of floating-point numbers.
    """
    check_tensor(student, "student")
    check_tensor(teacher, "teacher")
    if student.ndim != teacher.ndim or len(student) != len(teacher):
        raise ValueError(
            f"{where}student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
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
        ValueError: When the batches differ or hold one sample, or one is no batch of floating-point numbers.
    """
    check_tensor(student, "student")
    check_tensor(teacher, "teacher")
    shapes = f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
    if len(student) != len(teacher):
        raise ValueError(shapes + "Give both networks the same batch.")
    if len(student) == 1:
        raise ValueError(
            shapes + f"{name} compares the samples of a batch with each other: give two or more. If the last batch of "
            "an epoch holds one image, set drop_last=True in the data loader, or change the batch size."
        )


def check_images(student: torch.Tensor, teacher: torch.Tensor, name: str, spatial_dims: int | None = None) -> None:
    """
    Refuse features that are no images of the same samples, for losses that look at positions.

    Args:
        student: should have shape BNH[WD].
        teacher: the same batch and rank; channels and spatial size may differ.
        name: the loss, for the message.
        spatial_dims: the number of spatial axes that the loss was made for. Defaults to None: any from 1 to 3.

    Raises:
        ValueError: When batches or ranks differ, or there are no spatial axes, or not those.
    """
    check_same_batch(student, teacher)
    wanted = (1, 2, 3) if spatial_dims is None else (spatial_dims,)
    if student.ndim - 2 not in wanted:
        shape = "BNH[WD]" if spatial_dims is None else f"BN{'HWD'[:spatial_dims]} (spatial_dims={spatial_dims})"
        raise ValueError(
            f"{name} got a student feature {tuple(student.shape)} and a teacher feature {tuple(teacher.shape)}: it "
            f"compares positions, so both must have shape {shape}. Name layers whose output is an image "
            "(layer_shapes lists them). RelationalLoss, SimilarityPreservingLoss and HiddenKLLoss take vectors (B, N)."
        )


def check_positions(student: torch.Tensor, teacher: torch.Tensor, name: str) -> None:
    """
    Refuse maps of one position, for losses that relate the positions of an image to each other.

    Args:
        student: shape BNH[WD].
        teacher: the same batch and rank.
        name: the loss, for the message.

    Raises:
        ValueError: As :func:`check_images`, and when the coarser grid of the two has one position.
    """
    check_images(student, teacher, name)
    if max(min(sides) for sides in zip(student.shape[2:], teacher.shape[2:], strict=True)) == 1:
        raise ValueError(
            f"{name} got features {tuple(student.shape)} and {tuple(teacher.shape)}: it relates the positions of an "
            "image to each other, of one position there is nothing to learn and the loss is the same whatever the "
            "student does. Name layers of higher resolution."
        )
