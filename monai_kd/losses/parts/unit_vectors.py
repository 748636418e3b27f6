# SPDX-License-Identifier: Apache-2.0
"""Directions of vectors, for losses that compare angles."""

from __future__ import annotations

import torch

from monai_kd.losses.parts.shape_checks import check_images, check_same_batch

__all__ = ["check_vectors", "magnitude", "unit_vectors"]

_SHORTEST = 1e-6


def magnitude(feature: torch.Tensor) -> torch.Tensor:
    """
    The largest absolute value of a feature, without gradient, and at least 1e-15 (whose square float32 still holds).

    Example:
        >>> magnitude(torch.tensor([3.0, -4.0]))
        tensor(4.)
    """
    largest: torch.Tensor = torch.linalg.vector_norm(feature.detach(), ord=torch.inf)
    return largest.clamp_min(1e-15)


def unit_vectors(vectors: torch.Tensor, dim: int, scale: torch.Tensor | float = 1.0) -> torch.Tensor:
    r"""
    Each vector divided by its length, :math:`v / \lVert v \rVert_2`.

    The direction of a vector shorter than 1e-6 of ``scale`` is rounding error, so the vector becomes zero and gets no
    gradient. ``torch.nn.functional.normalize`` would give it a gradient of up to 1e12.

    Args:
        vectors: of any shape.
        dim: the axis of a vector's components.
        scale: size of the numbers that the vectors were computed from, :func:`magnitude` of a feature, so that the
            feature's scale changes nothing. Defaults to 1.0.

    Example:
        >>> unit_vectors(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), dim=1)
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    squared = (vectors * vectors).sum(dim, keepdim=True)
    return vectors * torch.where(squared > (_SHORTEST * scale) ** 2, squared, torch.inf).rsqrt()


def check_vectors(student: torch.Tensor, teacher: torch.Tensor, name: str | None = None) -> None:
    """
    Refuse features of one channel, whose vectors have no angles, and features of another batch size or rank.

    Args:
        student: shape BN[HWD].
        teacher: shape BM[HWD].
        name: class name of a loss that needs images, BNH[WD]. Defaults to None: vectors (B, N) are allowed.
    """
    if name is None:
        check_same_batch(student, teacher)
    else:
        check_images(student, teacher, name)
    if 1 in (student.shape[1], teacher.shape[1]):
        raise ValueError(
            f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
            "Vectors of one channel have no angle: their cosine is 1 or -1. Name layers of more channels."
        )
