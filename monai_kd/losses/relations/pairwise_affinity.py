# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.unit_vectors import check_vectors, magnitude, unit_vectors

__all__ = ["PairwiseAffinityLoss"]


def _largest(feature: torch.Tensor, size: list[int]) -> torch.Tensor:
    pool = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)[feature.ndim - 3]
    pooled: torch.Tensor = pool(feature, size)
    return pooled


class PairwiseAffinityLoss(nn.Module):
    r"""
    Squared difference of the cosines between regions of one image, student against teacher (pair-wise distillation).

    .. math:: \big\langle (a^s_{ij} - a^t_{ij})^2 \big\rangle_{i, j}, \qquad a_{ij} = \cos(f_i, f_j)

    where :math:`f_i` is the feature vector of node :math:`i`: the largest value of each channel in one cell of a coarse
    grid. The loss averages over samples and all pairs of nodes. The lengths of the vectors do not matter, and student
    and teacher may differ in channels and in resolution: no adapter is needed. The grid limits the memory: by default
    the affinities of a sample are 64 × 64 numbers in 2D and 512 × 512 in 3D.

    Source: Liu et al., "Structured knowledge distillation for semantic segmentation", CVPR 2019, and "... for dense
    prediction", TPAMI 2020, arXiv 1903.04197. In the authors' code the objective is cross-entropy + 10 · pixel-wise
    (``LogitsKLLoss(temperature=1)``) + 0.5 · pair-wise (+ 0.1 · holistic, an adversarial term); the paper writes 10 for
    both pixel-wise and pair-wise. A node of the paper is the mean of 2 × 2 positions (``average=True`` and a ``grid``
    of half the feature's size); a node of the code is the maximum of a quarter of the map (``grid=2``). The default
    takes the maximum, on a grid between the two that limits the memory. The code also leaves the vectors' lengths out
    of the gradient; here the gradient is that of the formula.

    Args:
        grid: most nodes along each axis; a feature with fewer positions has one node for each. Defaults to 8.
        average: whether a node is the mean of its cell, as in the paper. Defaults to False: the maximum, as in the
            authors' code.

    Raises:
        ValueError: When ``grid`` is below 2 (the affinity of one node to itself is always 1); at the call, when batches
            or ranks differ, or when a feature has one position or one channel (its cosines are ±1).

    Example:
        >>> import torch
        >>> alike = torch.tensor([[[[1.0, 2.0]], [[1.0, 2.0]]]])  # one direction: cosine 1
        >>> apart = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # a right angle: cosine 0
        >>> round(PairwiseAffinityLoss()(alike, apart).item(), 4)  # 1 for two of four pairs
        0.5
    """

    compares = "cosines between regions of one image"
    paper = "Liu 2019, pair-wise"
    any_shape = True

    def __init__(self, grid: int = 8, average: bool = False) -> None:
        super().__init__()
        if grid < 2:
            raise ValueError(f"grid must be 2 or more, got {grid}. The authors' code has 2.")
        self.grid = grid
        self.average = average

    def extra_repr(self) -> str:
        return f"grid={self.grid}, average={self.average}"

    def _affinities(self, feature: torch.Tensor, size: list[int]) -> torch.Tensor:
        """Cosines between the nodes, shape (B, nodes, nodes)."""
        nodes = F.interpolate(feature, size=size, mode="area") if self.average else _largest(feature, size)
        directions = unit_vectors(nodes.flatten(2), dim=1, scale=magnitude(feature))
        return directions.mT @ directions

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature, shape BMH[WD], of any channels and resolution; no gradient flows into it.
        """
        check_vectors(student, teacher, "PairwiseAffinityLoss")
        size = [min(self.grid, *sides) for sides in zip(student.shape[2:], teacher.shape[2:], strict=True)]
        if max(size) == 1:
            raise ValueError(
                f"PairwiseAffinityLoss got features {tuple(student.shape)} and {tuple(teacher.shape)}: one position "
                "has no pair, so the loss is always 0. Name layers of higher resolution."
            )
        return (self._affinities(student, size) - self._affinities(teacher.detach(), size)).square().mean()
