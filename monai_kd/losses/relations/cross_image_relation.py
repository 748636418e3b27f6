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
    Divergence of each pixel's similarities to the pixels of every image in the batch (CIRKD, mini-batch
    pixel-to-pixel).

    .. math:: \Big\langle \mathrm{KL}\big(\mathrm{softmax}(S^t_{ij} / \tau)\ \|\ \mathrm{softmax}(S^s_{ij} / \tau)\big)
              \Big\rangle_{i,j}, \qquad S_{ij} = \hat F_i \hat F_j^\top

    where the rows of :math:`\hat F_i` are the feature vectors of image :math:`i` at unit length, and the softmax runs
    over the pixels of image :math:`j`. The loss sums over these pixels, and averages over the pixels of :math:`i` and
    over all pairs of images, including an image with itself: a batch of one image is allowed. Only cosines are
    compared, so student and teacher may differ in channels, without an adapter.

    Both features are first averaged over the cells of a coarse grid, because memory and time grow with
    (batch · positions)². With the default and 16 images a matrix takes 20 MiB, with 32 images 81 MiB.

    Source: Yang et al., "Cross-image relational knowledge distillation for semantic segmentation", CVPR 2022,
    arXiv 2204.06986: weight 1, on the features before the classifier, beside ``LogitsKLLoss()`` of weight 1. The
    authors' code keeps all pixels, at one eighth of the image's resolution.

    Args:
        temperature: divisor of the cosines, above 0. Defaults to 0.1, as in the paper.
        max_positions: most grid cells for each image, at least 8. Defaults to 144: 12×12 in 2D, 5×5×5 in 3D.

    Raises:
        ValueError: When ``temperature`` is not above 0 or ``max_positions`` is below 8; at the call, when batches or
            ranks differ, a feature has one channel (its cosines are ±1), or the grid has one position.

    Example:
        >>> import torch
        >>> student, teacher = torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 4, 4)
        >>> student[:, 0], teacher[:, 3] = 1.0, -1.0  # in both, all pixels are alike
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
        return f"temperature={self.temperature}, max_positions={self.max_positions}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature, shape BMH[WD], of any channels and resolution; no gradient flows into it.
        """
        check_vectors(student, teacher, "CrossImageRelationLoss")
        embeddings = pixel_embeddings(student, teacher.detach(), self.max_positions)
        if embeddings[0].shape[1] == 1:
            raise ValueError(
                f"student feature is {tuple(student.shape)} and teacher feature is {tuple(teacher.shape)}: a grid of "
                "one position has no pairs to compare. Name layers of a higher resolution."
            )
        relations = [torch.einsum("ipn,jqn->ipjq", e / self.temperature, e) for e in embeddings]
        return softmax_divergence(relations[0], relations[1], dim=3)
