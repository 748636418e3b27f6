# SPDX-License-Identifier: Apache-2.0
"""Directions of vectors, for losses that compare angles."""

from __future__ import annotations

import torch

from monai_kd.losses.checks import check_same_batch

__all__ = ["check_vectors", "unit_vectors"]

_SHORTEST = 1e-6


def unit_vectors(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    r"""
    Each vector divided by its length, :math:`v / \lVert v \rVert_2`.

    A vector shorter than 1e-6 has no direction: it becomes zero and gets no gradient, where
    ``torch.nn.functional.normalize`` would send back a gradient of up to 1e12.

    Args:
        vectors: of any shape.
        dim: the axis along which a vector lies.

    Example:
        >>> unit_vectors(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), dim=1)
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    squared = (vectors * vectors).sum(dim, keepdim=True)
    return vectors * torch.where(squared > _SHORTEST**2, squared, torch.inf).rsqrt()


def check_vectors(student: torch.Tensor, teacher: torch.Tensor) -> None:
    """
    Refuse features whose channels, as vectors at each position, have no angles to compare.

    Args:
        student: shape BNH[WD].
        teacher: the same batch and rank; channels and spatial size may differ.

    Raises:
        ValueError: When batches or ranks differ, or one of the two has a single channel.
    """
    check_same_batch(student, teacher)
    if 1 in (student.shape[1], teacher.shape[1]):
        raise ValueError(
            f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}. "
            "Vectors of one channel have no angle: their cosine is 1 or -1. Name layers of more channels."
        )
