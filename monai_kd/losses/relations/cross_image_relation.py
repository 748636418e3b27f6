# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.logits.divergence import softmax_divergence
from monai_kd.losses.parts.pixel_embeddings import check_relation, pixel_embeddings
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.unit_vectors import check_vectors

__all__ = ["CrossImageRelationLoss"]


class CrossImageRelationLoss(nn.Module):
    r"""
    Divergence of how each pixel relates to the pixels of every image of the batch (CIRKD, mini-batch pixel-to-pixel).

    .. math:: \Big\langle \mathrm{KL}\big(\mathrm{softmax}(S^t_{ij} / \tau)\ \|\ \mathrm{softmax}(S^s_{ij} / \tau)\big)
              \Big\rangle_{i,j}, \qquad S_{ij} = \hat F_i \hat F_j^\top

    where the rows of :math:`\hat F_i` are the feature vectors of image :math:`i`, each of unit length, and the softmax
    runs over the pixels of image :math:`j`. Summed over these, averaged over the pixels of :math:`i` and over all pairs
    of images, an image with itself included. Only cosines are compared, so student and teacher may differ in channels:
    no adapter is needed. A batch of one image gives the relations within it.

    Both features are first averaged over the cells of a coarse grid, since memory and time grow with
    (batch · positions)²: the default and 16 images make matrices of 20 MiB, twice that make them of 81 MiB.

    Source: Yang et al., "Cross-image relational knowledge distillation for semantic segmentation", CVPR 2022,
    arXiv 2204.06986: weight 1, on the features before the classifier, beside ``LogitsKLLoss()`` of weight 1; the
    authors' code keeps all pixels, of an eighth of the image's resolution.

    Args:
        temperature: divisor of the cosines, above 0. Defaults to 0.1, the paper's.
        max_positions: bound of the number of grid cells for each image. Defaults to 144: 12×12 in 2D, 5×5×5 in 3D.

    Raises:
        ValueError: When ``temperature`` is not above 0 or ``max_positions`` too small for a grid; at the call, when
            batches or ranks differ, a feature has one channel (its cosines are ±1), or the grid one position.

    Example:
        >>> import torch
        >>> student, teacher = torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 4, 4)
        >>> student[:, 0], teacher[:, 3] = 1.0, -1.0  # all pixels are alike, for both
        >>> CrossImageRelationLoss()(student, teacher).item()
        0.0
    """

    compares = "cosines between pixels of the batch, by KL"
    paper = "CIRKD: Yang 2022, mini-batch"
    any_shape = True

    def __init__(self, temperature: float = 0.1, max_positions: int = 144) -> None:
        super().__init__()
        check_relation(temperature, max_positions)
        self.temperature = temperature
        self.max_positions = max_positions

    def extra_repr(self) -> str:
        """The arguments."""
        return f"temperature={self.temperature}, max_positions={self.max_positions}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature of the same batch and rank; no gradient flows into it.
        """
        check_vectors(student, teacher, "CrossImageRelationLoss")
        embeddings = pixel_embeddings(student, teacher.detach(), self.max_positions)
        if embeddings[0].shape[1] == 1:
            raise ValueError(
                f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}: with one "
                "position in an image there is nothing to relate it to. Name layers of a higher resolution."
            )
        relations = [torch.einsum("ipn,jqn->ipjq", e / self.temperature, e) for e in embeddings]
        return softmax_divergence(relations[0], relations[1], dim=3)
