# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.parts.pixel_embeddings import pixel_embeddings
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.unit_vectors import check_vectors

__all__ = ["AffinityLoss"]


class AffinityLoss(nn.Module):
    r"""
    Distance between affinity matrices, which hold the cosine of every pair of positions (affinity distillation).

    .. math:: \Big\langle \lVert A^s - A^t \rVert_2 \Big\rangle, \qquad
              A_{ij} = \frac{1}{|\Omega|} \frac{f_i \cdot f_j}{\lVert f_i \rVert_2 \lVert f_j \rVert_2}

    over the positions :math:`i, j \in \Omega` of one image, averaged over samples. With the factor :math:`1/|\Omega|`
    each distance is the root mean square difference of the cosines, which does not depend on the image size. Only
    cosines are compared, so student and teacher may differ in channels. (The paper uses a 3-wide convolution as
    ``student_adapter`` all the same.)

    Both features are first averaged over the cells of a coarse grid, because memory and time grow with the square of
    the number of positions: with the default and 16 images each matrix takes 64 MiB.

    Source: in the style of He et al., "Knowledge adaptation for efficient semantic segmentation", CVPR 2019, arXiv
    1903.04688, at weight 1. We could not check whether the paper's norm is a sum over rows; the norm of the whole
    matrix is the one that the factor makes independent of the image size. The limit of positions is our addition.

    Args:
        max_positions: most cells in the grid, at least 8. Defaults to 1024: 32×32 in 2D, 10×10×10 in 3D.

    Raises:
        ValueError: When ``max_positions`` is below 8; at the call, when batches or ranks differ, a feature has one
            channel (its cosines are ±1), or the grid has one position.

    Example:
        >>> import torch
        >>> student, teacher = torch.ones(1, 2, 1, 2), torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> round(AffinityLoss()(student, teacher).item(), 4)  # two of four cosines are 1 there, 0 here
        0.7071
    """

    compares = "cosines between positions of one image"
    paper = "He 2019, affinity distillation"
    any_shape = True

    def __init__(self, max_positions: int = 1024) -> None:
        super().__init__()
        if max_positions < 8:
            raise ValueError(f"max_positions must be 8 or more, got {max_positions}. Try 1024.")
        self.max_positions = max_positions

    def extra_repr(self) -> str:
        return f"max_positions={self.max_positions}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature, shape BMH[WD], of any channels and resolution; no gradient flows into it.
        """
        check_vectors(student, teacher, "AffinityLoss")
        embeddings = pixel_embeddings(student, teacher.detach(), self.max_positions)
        positions = embeddings[0].shape[1]
        if positions == 1:
            raise ValueError(
                f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}: a grid of "
                "one position has no pairs to compare. Name layers of a higher resolution."
            )
        difference = embeddings[0] @ embeddings[0].mT - embeddings[1] @ embeddings[1].mT
        distance: torch.Tensor = torch.linalg.vector_norm(difference, dim=(1, 2)).mean() / positions
        return distance
