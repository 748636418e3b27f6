# SPDX-License-Identifier: Apache-2.0
"""Features as unit vectors on one coarse grid, for losses that compare every position with every other."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from monai_kd.losses.parts.shape_checks import check_temperature
from monai_kd.losses.parts.unit_vectors import magnitude, unit_vectors

__all__ = ["check_relation", "pixel_embeddings"]


def pixel_embeddings(
    student: torch.Tensor, teacher: torch.Tensor, max_positions: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Average both features over the cells of one grid and scale each vector to unit length.

    Along each axis the grid is as coarse as the coarser feature, and has at most as many positions as a square (or
    cube) of ``max_positions``.

    Args:
        student: shape BNH[WD].
        teacher: shape BMH[WD].
        max_positions: most positions for each image.

    Returns:
        The student's and the teacher's embeddings, of shape (B, positions, channels).

    Example:
        >>> embeddings = pixel_embeddings(torch.rand(2, 3, 32, 32), torch.rand(2, 5, 20, 10), max_positions=256)
        >>> [tuple(e.shape) for e in embeddings]
        [(2, 160, 3), (2, 160, 5)]
    """
    side = int(max_positions ** (1 / (student.ndim - 2)) + 1e-6)
    size = [min(side, *pair) for pair in zip(student.shape[2:], teacher.shape[2:], strict=True)]
    embeddings = [
        unit_vectors(F.interpolate(feature, size=size, mode="area").flatten(2).mT, dim=2, scale=magnitude(feature))
        for feature in (student, teacher)
    ]
    return embeddings[0], embeddings[1]


def check_relation(temperature: float, max_positions: int) -> None:
    """Refuse a temperature that is not above 0, and a grid that would have one position in 3D."""
    check_temperature(temperature, "The paper has 0.1.")
    if max_positions < 8:
        raise ValueError(f"max_positions must be 8 or more, got {max_positions}. Try 144.")
