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
    "check_temperature",
    "check_tensor",
]


def check_tensor(value: Any, side: str) -> None:
    """
    Refuse anything but one floating-point tensor of shape BN[HWD] with at least one number.

    Args:
        value: what one side gave.
        side: "student" or "teacher", for the message.
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
            "axis, then spatial axes if any. Pass whole batches."
        )


def check_same_shape(student: torch.Tensor, teacher: torch.Tensor) -> None:
    """Refuse a pair of two shapes, which broadcasting could silently accept, and what :func:`check_tensor` refuses."""
    check_tensor(student, "student")
    check_tensor(teacher, "teacher")
    if student.shape != teacher.shape:
        raise ValueError(
            f"student has shape {tuple(student.shape)} but teacher has shape {tuple(teacher.shape)}. "
            "Both must match: give both networks the same out_channels and input, or match features with an adapter."
        )


def check_features(student: torch.Tensor, teacher: torch.Tensor, are_outputs: bool) -> None:
    """
    Refuse features of two shapes, and name the adapter that would make them match.

    Args:
        student: feature, shape BNH[WD].
        teacher: feature, which must have the student's shape.
        are_outputs: whether both are the networks' outputs, which need no adapter but the same ``out_channels``.
    """
    if student.shape == teacher.shape:
        return
    message = f"student feature is {tuple(student.shape)} but teacher feature is {tuple(teacher.shape)}. "
    if min(student.ndim, teacher.ndim) < 2:
        raise ValueError(message + "Expected BN[HWD] for both; layer_shapes(network, image) lists each layer's shape.")
    arguments = f"spatial_dims={student.ndim - 2}, in_channels={student.shape[1]}, out_channels={teacher.shape[1]}"
    if student.ndim != teacher.ndim:
        remedy = "Pair layers with the same number of axes; layer_shapes lists them. An extra axis may be a stack of "
        remedy += "outputs (deep supervision): set student_layer or teacher_layer to the layer that gives one of them."
    elif len(student) != len(teacher):
        remedy = "Pair layers of one resolution; layer_shapes lists them. The outputs of a layer that runs several "
        remedy += "times in a forward pass are joined along the batch axis: name a layer that runs once."
    elif student.shape[2:] != teacher.shape[2:]:
        remedy = "Pair layers of one resolution (layer_shapes lists them), or add an adapter that resizes"
        remedy += "." if are_outputs else f": student_adapter=FeatureRegressor({arguments})."
    elif are_outputs:
        remedy = "Give student and teacher the same out_channels, or select the teacher's with teacher_adapter."
    else:
        remedy = f"Add student_adapter=ChannelAdapter({arguments})."
    raise ValueError(message + remedy)


def check_same_batch(student: torch.Tensor, teacher: torch.Tensor, where: str = "") -> None:
    """
    Refuse features of another batch size or rank; channels and spatial size may differ.

    Args:
        student: feature, shape BNH[WD].
        teacher: feature, shape BMH[WD].
        where: text to begin the message with.
    """
    check_tensor(student, "student")
    check_tensor(teacher, "teacher")
    if student.ndim != teacher.ndim or len(student) != len(teacher):
        raise ValueError(
            f"{where}student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
            "Pass the same batch to both networks, and pair layers whose output is an image."
        )


def check_samples(student: torch.Tensor, teacher: torch.Tensor, name: str) -> None:
    """
    Refuse batches that differ in size or hold one sample, for losses that compare the samples of a batch.

    Args:
        student: feature, shape BN[HWD].
        teacher: feature of as many samples, shape BM[HWD].
        name: class name of the loss, for the message.
    """
    check_tensor(student, "student")
    check_tensor(teacher, "teacher")
    shapes = f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
    if len(student) != len(teacher):
        raise ValueError(shapes + "Pass the same batch to both networks.")
    if len(student) == 1:
        raise ValueError(
            shapes + f"{name} compares the samples of a batch with each other: give two or more. If the last batch of "
            "an epoch holds one image, set drop_last=True in the data loader, or change the batch size."
        )


def check_temperature(temperature: float, remedy: str = "Use 1.0 for unsoftened probabilities.") -> None:
    """
    Refuse a divisor that softens nothing.

    Args:
        temperature: should be above 0.
        remedy: ends the message.

    Raises:
        ValueError: When it is not.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}. {remedy}")


def check_images(student: torch.Tensor, teacher: torch.Tensor, name: str, spatial_dims: int | None = None) -> None:
    """
    As :func:`check_same_batch`, and refuse features without spatial axes.

    Args:
        student: feature, shape BNH[WD].
        teacher: feature, shape BMH[WD].
        name: class name of the loss, for the message.
        spatial_dims: the number of spatial axes that the loss was made for. Defaults to None: any from 1 to 3.
    """
    check_same_batch(student, teacher)
    wanted = (1, 2, 3) if spatial_dims is None else (spatial_dims,)
    if student.ndim - 2 not in wanted:
        shape = "BNH[WD]" if spatial_dims is None else f"BN{'HWD'[:spatial_dims]} (spatial_dims={spatial_dims})"
        raise ValueError(
            f"{name} got a student feature {tuple(student.shape)} and a teacher feature {tuple(teacher.shape)}. It "
            f"compares positions, so both must have shape {shape}. Name layers whose output is an image "
            "(layer_shapes lists them). RelationalLoss, SimilarityPreservingLoss and HiddenKLLoss take vectors (B, N)."
        )


def check_positions(student: torch.Tensor, teacher: torch.Tensor, name: str) -> None:
    """As :func:`check_images`, and refuse maps of which the coarser one has one position."""
    check_images(student, teacher, name)
    if max(min(sides) for sides in zip(student.shape[2:], teacher.shape[2:], strict=True)) == 1:
        raise ValueError(
            f"{name} got features {tuple(student.shape)} and {tuple(teacher.shape)}: it compares the positions of an "
            "image with each other, so with one position the loss is constant. Name layers of higher resolution."
        )
