# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_samples
from monai_kd.losses.parts.unit_vectors import magnitude, unit_vectors

__all__ = ["RelationalLoss"]


def _relations(embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances divided by their mean, shape (B, B), and cosines at each sample between all others, (B, B, B)."""
    differences = embeddings.unsqueeze(1) - embeddings.unsqueeze(0)
    distances = torch.linalg.vector_norm(differences, dim=2)
    # A sample and its copy do not count as a pair, so that the mean does not change when the batch is repeated.
    mean = distances.sum() / (distances > 0).sum().clamp_min(1)
    directions = unit_vectors(differences, dim=2)
    return distances / mean.clamp_min(torch.finfo(mean.dtype).eps), directions @ directions.mT


class RelationalLoss(nn.Module):
    r"""
    Difference of the distances and angles between the samples of a batch, student against teacher (RKD).

    .. math:: 25 \,\big\langle \ell(d^s_{ij}, d^t_{ij}) \big\rangle_{i,j}
              + 50 \,\big\langle \ell(\cos\angle^s_{ijk}, \cos\angle^t_{ijk}) \big\rangle_{i,j,k},
              \qquad d_{ij} = \lVert e_i - e_j \rVert_2 / \mu

    where :math:`e_i` is the embedding of sample :math:`i`, :math:`\mu` the mean distance of the batch, :math:`\angle`
    the angle at sample :math:`j` between samples :math:`i` and :math:`k`, and :math:`\ell` the Huber loss. An embedding
    is the feature, averaged over the cells of a coarse grid and flattened. Rotation, shift and scale of the embeddings
    change nothing. Channels and resolution may differ, and no adapter is needed.

    Source: Park et al., "Relational knowledge distillation", CVPR 2019, arXiv 1904.05068. As in the authors' code, the
    means run over all pairs and triplets, including those of a sample with itself (always 0); the paper writes sums.
    The weights are those of the code for classification, beside a cross-entropy of weight 1. The code first scales the
    embeddings to unit length; the paper's formula, and this loss, do not.

    Use batches of three or more. Two samples always have the distance 1 (in units of the mean) and no angle, so a batch
    of two, such as the last batch of an epoch, gives 0 and no gradient, with a warning. Memory grows with the batch
    size squared times the length of an embedding.

    Args:
        distance_weight: factor of the distance term, 0 or more. Defaults to 25.0.
        angle_weight: factor of the angle term, 0 or more. Defaults to 50.0.
        grid: most cells along each axis. Defaults to 1: the mean over the image, as in the paper's networks. After an
            instance norm that mean carries little information; more cells also compare where features are active.

    Raises:
        ValueError: When a weight is negative or ``grid`` is below 1; at the call, when the batches differ or hold one
            sample.

    Example:
        >>> import torch
        >>> line = torch.tensor([0.0, 1.0, 2.0]).reshape(3, 1, 1, 1)
        >>> bent = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]).reshape(3, 2, 1, 1)
        >>> round(RelationalLoss()(3 * line + 5, line).item(), 6)
        0.0
        >>> round(RelationalLoss(distance_weight=0.0)(line, bent).item(), 3)
        2.17
    """

    compares = "distances and angles between samples"
    paper = "RKD: Park 2019"
    any_shape = True

    def __init__(self, distance_weight: float = 25.0, angle_weight: float = 50.0, grid: int = 1) -> None:
        super().__init__()
        if min(distance_weight, angle_weight) < 0:
            raise ValueError(
                f"distance_weight and angle_weight must not be negative, got {distance_weight} and {angle_weight}. "
                "Set a weight to 0 to leave its term out."
            )
        if grid < 1:
            raise ValueError(f"grid must be 1 or more, got {grid}. Use 1 for the mean over the image.")
        self.distance_weight = distance_weight
        self.angle_weight = angle_weight
        self.grid = grid

    def extra_repr(self) -> str:
        return f"distance_weight={self.distance_weight}, angle_weight={self.angle_weight}, grid={self.grid}"

    def _embeddings(self, feature: torch.Tensor) -> torch.Tensor:
        """Embeddings, shape (B, length), divided by the feature's magnitude so that its scale changes nothing."""
        size = [min(self.grid, side) for side in feature.shape[2:]]
        cells = F.interpolate(feature, size=size, mode="area") if size else feature
        return cells.flatten(1) / magnitude(feature)

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BN[HWD], of two samples or more.
            teacher: feature of the same samples, shape BM[HWD]; no gradient flows into it.
        """
        check_samples(student, teacher, "RelationalLoss")
        if len(student) == 2:
            warnings.warn(
                "RelationalLoss got a batch of 2 samples, which teaches nothing: two samples always have the same "
                "relative distance, and no angle. Give 3 or more; if only the last batch of an epoch has 2, set "
                "drop_last=True in the data loader.",
                stacklevel=2,
            )
        distances, angles = _relations(self._embeddings(student))
        wanted_distances, wanted_angles = _relations(self._embeddings(teacher.detach()))
        distance_term = F.smooth_l1_loss(distances, wanted_distances)
        return self.distance_weight * distance_term + self.angle_weight * F.smooth_l1_loss(angles, wanted_angles)
