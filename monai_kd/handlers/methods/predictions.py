# SPDX-License-Identifier: Apache-2.0
"""The predictions of student and teacher in an iteration of :class:`monai_kd.DistillationTrainer`, on one grid."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from ignite.engine import Engine

from monai_kd.losses.parts.shape_checks import check_features
from monai_kd.transforms.alignment import align, alignment, leave_out
from monai_kd.utils.plain_tensor import plain

__all__ = ["Predictions", "predictions"]


class Predictions(NamedTuple):
    """
    The input of a discriminator, all on the student's grid.

    Args:
        student: logits, shape BC or BCH[WD].
        teacher: the same shape, without gradient history.
        image: the student's view, shape BNH[WD].
        label: the batch's label, if there is one; -1 (no class) in samples whose "has_label" is 0.
    """

    student: torch.Tensor
    teacher: torch.Tensor
    image: torch.Tensor
    label: torch.Tensor | None


def predictions(engine: Engine, handler: str) -> Predictions:
    """
    The predictions of the current iteration, on the student's grid; pixels that the teacher did not see are blank.

    Args:
        engine: a trainer, from ``LOSS_COMPLETED`` on.
        handler: class name of the caller, for the message.

    Raises:
        ValueError: When the teacher's prediction is missing, cannot be moved onto the student's grid, or has another
            shape than the student's.
    """
    state: Any = engine.state
    teacher = getattr(state, "teacher_features", {}).get("")
    if teacher is None:
        raise ValueError(
            f"{handler} needs the teacher's prediction, but no pathway uses it. Add a pathway between the networks' "
            "outputs (its weight may be 0), and give the handler to a DistillationTrainer."
        )
    batch = state.batch if isinstance(state.batch, dict) else {}
    student, image, label = (plain(state.output[key]) for key in ("pred", "image", "label"))
    if not isinstance(student, torch.Tensor) or student.ndim > image.ndim:
        held = (
            f"a tensor of {student.ndim} axes" if isinstance(student, torch.Tensor) else f"a {type(student).__name__}"
        )
        raise ValueError(
            f"{handler} needs one prediction, but the student returned {held}: several outputs, as with deep "
            "supervision. Use a student that returns the one to compare."
        )
    theta = alignment(batch)
    teacher = align(teacher.detach(), theta)
    check_features(student, teacher, are_outputs=True)
    student, teacher = leave_out(student, teacher, theta, any_shape=True)
    if label is not None and "has_label" in batch:
        known = torch.as_tensor(batch["has_label"], device=label.device).bool()
        label = label.float().masked_fill(~known.reshape(-1, *[1] * (label.ndim - 1)), -1)
    return Predictions(student, teacher, image, label)
