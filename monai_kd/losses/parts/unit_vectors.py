# SPDX-License-Identifier: Apache-2.0
"""Directions of vectors, for losses that compare angles."""

from __future__ import annotations

import torch

from monai_kd.losses.parts.shape_checks import check_images, check_same_batch

__all__ = ["check_vectors", "magnitude", "unit_vectors"]

_SHORTEST = 1e-6


def magnitude(feature: torch.Tensor) -> torch.Tensor:
    """
    The largest absolute value of a feature, without gradient: the unit in which its vectors are long or short.

    Args:
        feature: of any shape.

    Returns:
        A scalar, not below 1e-15 (whose square float32 still holds).

    Example:
        >>> magnitude(torch.tensor([3.0, -4.0]))
        tensor(4.)
    """
    largest: torch.Tensor = torch.linalg.vector_norm(feature.detach(), ord=torch.inf)
    return largest.clamp_min(1e-15)


def unit_vectors(vectors: torch.Tensor, dim: int, scale: torch.Tensor | float = 1.0) -> torch.Tensor:
    r"""
    Each vector divided by its length, :math:`v / \lVert v \rVert_2`.

    A vector shorter than 1e-6 of ``scale`` has no direction, but what rounding left of one: it becomes zero and gets
    no gradient, where ``torch.nn.functional.normalize`` would send back a gradient of up to 1e12.

    Args:
        vectors: of any shape.
        dim: the axis along which a vector lies.
        scale: size of the numbers that the vectors were computed from: :func:`magnitude` of a feature, so that its
            scale changes nothing. Defaults to 1.0.

    Example:
        >>> unit_vectors(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), dim=1)
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    squared = (vectors * vectors).sum(dim, keepdim=True)
    return vectors * torch.where(squared > (_SHORTEST * scale) ** 2, squared, torch.inf).rsqrt()


def check_vectors(student: torch.Tensor, teacher: torch.Tensor, name: str | None = None) -> None:
    """
    Refuse features whose channels, as vectors at each position, have no angles to compare.

    Args:
        student: shape BN[HWD].
        teacher: the same batch and rank; channels and spatial size may differ.
        name: of a loss that wants images, BNH[WD]. Defaults to None: vectors (B, N) will do.

    Raises:
        ValueError: When batches or ranks differ, images are wanted and not given, or one has a single channel.
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
