# SPDX-License-Identifier: Apache-2.0
"""
Comparison of teacher and student that see different views of one image.

The teacher's features are moved onto the student's grid, where the label is. Where the teacher did not see the image,
the comparison is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from monai_kd.transforms.geometry import compose, inside, invert, warp

__all__ = ["align", "alignment", "leave_out"]


def alignment(batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    r"""
    The geometry from the student's view to the teacher's, :math:`\theta_t^{-1} \circ \theta_s`; None if both share one
    geometry.

    Args:
        batch: may hold "student_geometry" and "teacher_geometry", each of shape (B, d, d+1).

    Returns:
        Shape (B, d, d+1), as in :mod:`monai_kd.transforms.geometry`, or None.

    Example:
        >>> from monai_kd.transforms.geometry import identity
        >>> alignment({"student_geometry": identity(1, 2), "teacher_geometry": 2 * identity(1, 2)})
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.5000, 0.0000]]])
    """
    if "teacher_geometry" not in batch:
        return None
    return compose(invert(batch["teacher_geometry"]), batch["student_geometry"])


def align(teacher: torch.Tensor, theta: torch.Tensor | None) -> torch.Tensor:
    """
    Move a feature of the teacher onto the student's grid, at its own resolution.

    A feature without spatial axes, such as class logits, stays as it is.

    Args:
        teacher: shape BNH[WD], or (B, N).
        theta: from :func:`alignment`; None leaves the feature unchanged.

    Returns:
        The same shape. Outside the teacher's view its border is repeated; :func:`leave_out` removes it from the loss.

    Raises:
        ValueError: When the feature has no known position in the image (tokens, windows of an inferer).
    """
    if theta is None or teacher.shape[:-1] == theta.shape[:1]:
        return teacher
    if teacher.ndim != theta.shape[1] + 2 or len(teacher) != len(theta):
        raise ValueError(
            f"teacher feature is {tuple(teacher.shape)} and cannot be moved onto the grid of {len(theta)} student "
            f"views of {theta.shape[1]} spatial dimensions. Let teacher and student share one geometry "
            "(aligned=False), or name a layer whose output is an image."
        )
    return warp(teacher, theta, padding_mode="border")


def leave_out(
    student: torch.Tensor, teacher: torch.Tensor, theta: torch.Tensor | None, any_shape: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Make student and teacher equal where the teacher did not see the image, so that the loss has no gradient there.

    There, the teacher's feature is replaced by the student's, detached: differences and divergences become zero, and a
    loss with a minimum above zero (binary cross-entropy) has zero gradient. The mean still runs over all positions. A
    loss with ``any_shape`` summarizes each feature before it compares them (class means, products of channels,
    affinities). For such a loss both features become zero there, because nothing of the student may enter the teacher's
    summary.

    Args:
        student: after its adapter, shape BNH[WD], or (B, N).
        teacher: after :func:`align` and its adapter, shape BMH[WD], or (B, M).
        theta: from :func:`alignment`. With None, or for features without spatial axes, nothing is left out.
        any_shape: whether the loss itself compares features of different shapes.

    Returns:
        Student and teacher, each of its own shape.

    Example:
        >>> from monai_kd.transforms.geometry import identity
        >>> student, teacher = torch.zeros(1, 1, 1, 4), torch.ones(1, 1, 1, 4)
        >>> leave_out(student, teacher, 2 * identity(1, 2))[1]
        tensor([[[[0., 1., 1., 0.]]]])
    """
    if theta is None or teacher.ndim == 2:
        return student, teacher
    seen = inside(theta, teacher.shape[2:])
    if not any_shape:
        return student, torch.where(seen, teacher, student.detach())
    return student * inside(theta, student.shape[2:]), teacher * seen
