# SPDX-License-Identifier: Apache-2.0
"""
Teacher and student see different views of one image: the teacher's features are moved onto the student's grid, where
the label is, and what the teacher did not see is left out of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from monai_kd.transforms.geometry import compose, inside, invert, warp

__all__ = ["align", "alignment", "leave_out"]


def alignment(batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    r"""
    Where the teacher's view shows what the student's does, :math:`\theta_t^{-1} \circ \theta_s`; None if the two share
    one geometry.

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
    A feature of the teacher on the student's grid, at its own resolution; one vector for a whole image (the logits of
    its class) has no place that could move.

    Args:
        teacher: shape BNH[WD], or (B, N).
        theta: from :func:`alignment`; without it, the feature stays where it is.

    Returns:
        The same shape; beyond the teacher's view its border is repeated, for :func:`leave_out` to leave out.

    Raises:
        ValueError: When it is not known where the feature lies in the image (tokens, windows of an inferer).
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
    Student and teacher, alike where the teacher did not see what the student sees, so that no loss pulls there.

    There the teacher's feature becomes the student's own, without gradient: differences and divergences vanish, and
    where a loss has a least value above zero (binary cross-entropy) its gradient does. The mean still runs over all
    positions. For a loss with ``any_shape``, which compares what it makes of each feature alone (class means, products
    of channels, affinities), both become zero there instead: nothing of the student may enter the teacher's side.

    Args:
        student: after its adapter, shape BNH[WD], or (B, N).
        teacher: after :func:`align` and its adapter.
        theta: from :func:`alignment`; without it, nothing is left out, nor of a vector for a whole image.
        any_shape: whether the loss compares features of different shapes itself.

    Returns:
        Student and teacher, of their own shapes.

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
