# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_kd.losses.parts.class_masks import ClassLoss, class_masks, class_means
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.unit_vectors import magnitude, unit_vectors

__all__ = ["RegionAffinityLoss"]


def _affinities(feature: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Cosines between the mean feature vectors of the classes, shape (B, classes, classes)."""
    directions = unit_vectors(class_means(feature, masks), dim=2, scale=magnitude(feature))
    return directions @ directions.mT


class RegionAffinityLoss(ClassLoss):
    r"""
    Squared difference of the cosines between the classes' mean features (EMKD, region affinity).

    .. math:: \big\langle (\cos(\mu^s_j, \mu^s_k) - \cos(\mu^t_j, \mu^t_k))^2 \big\rangle_{j < k}, \qquad
              \mu_k = \langle F_p \rangle_{p:\, y_p = k}

    where :math:`\mu_k` is the mean feature vector over the positions :math:`p` that the label gives to class :math:`k`.
    The loss averages over samples and pairs of classes; a pair is skipped if one of its classes is absent. The lengths
    of the vectors do not matter, and student and teacher may differ in channels and in resolution: no adapter is
    needed.

    Source: Qin et al., "Efficient medical image segmentation based on knowledge distillation", TMI 2021, arXiv
    2108.09987, as in the authors' code. That code has two classes; a sample without foreground counts as 0 (here it is
    left out of the mean), and one without background gives NaN. The paper's other two terms are
    ``LogitsKLLoss(temperature=4)`` at weight 0.1 and ``AttentionTransferLoss(exponent=4, summed=True)``. The two terms
    on features have weight 0.9 each, and are summed over an early and the deepest layer of the encoder.

    Args:
        num_classes: classes of the label, the background included. Positions of any other value belong to no region.

    Raises:
        ValueError: When ``num_classes`` is below 2; at the call, when batches or ranks differ, the label does not fit,
            or a feature has one channel (its cosines are ±1) or one position (which has one class).

    Example:
        >>> import torch
        >>> label = torch.tensor([[[[0, 1]]]])
        >>> alike = torch.tensor([[[[1.0, 2.0]], [[1.0, 2.0]]]])  # one direction: cosine 1
        >>> apart = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # a right angle: cosine 0
        >>> round(RegionAffinityLoss(num_classes=2)(alike, apart, label=label).item(), 4)
        1.0
    """

    compares = "cosines between the classes' mean vectors"
    paper = "EMKD: Qin 2021"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature, shape BMH[WD], of any channels and resolution; no gradient flows into it.
            label: class indices, shape B1H[WD], at any resolution.
        """
        self.check(student, teacher, label)
        masks = [class_masks(label, feature.shape[2:], self.num_classes) for feature in (student, teacher)]
        difference = _affinities(student, masks[0]) - _affinities(teacher.detach(), masks[1])
        # A small region may vanish on the coarser of the two grids only.
        present = (masks[0].any(2) & masks[1].any(2)).to(difference.dtype)
        pairs = (present.unsqueeze(1) * present.unsqueeze(2)).triu(diagonal=1)
        return (pairs * difference.square()).sum() / pairs.sum().clamp_min(1)
