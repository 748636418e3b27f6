# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from monai.networks.layers import Pool

from monai_kd.losses.parts.class_masks import ClassLoss, class_masks, class_means
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.unit_vectors import magnitude, unit_vectors

__all__ = ["IntraClassVariationLoss"]


def _pool(feature: torch.Tensor, size: list[int]) -> torch.Tensor:
    if list(feature.shape[2:]) == size:
        return feature
    pooled: torch.Tensor = Pool[Pool.ADAPTIVEAVG, feature.ndim - 2](size)(feature)
    return pooled


def _variation(feature: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Cosine of each position's vector to the mean vector of its class, shape (B, positions); 0 without a class."""
    scale = magnitude(feature)
    centers = unit_vectors(class_means(feature, masks), dim=2, scale=scale)
    cosines = centers @ unit_vectors(feature.flatten(2), dim=1, scale=scale)
    return (cosines * masks).sum(dim=1)


class IntraClassVariationLoss(ClassLoss):
    r"""
    Squared difference of each position's cosine to the mean feature of its class (IFVD).

    .. math:: \big\langle (\cos(F^s_p, \mu^s_{y_p}) - \cos(F^t_p, \mu^t_{y_p}))^2 \big\rangle_p, \qquad
              \mu_k = \langle F_p \rangle_{p:\, y_p = k}

    where :math:`y_p` is the label at position :math:`p`, and the mean runs over the positions of one class in one
    sample. The lengths of the vectors do not matter, and student and teacher may differ in channels: no adapter is
    needed. Where they differ in resolution, the finer feature is first averaged to the coarser grid, and the label is
    resized to it (nearest neighbor). The loss averages over all positions that have a class, in all samples.

    Source: Wang et al., "Intra-class feature variation distillation for semantic segmentation", ECCV 2020; on the
    features before the last layer. The weight is 50 in the paper and 200 in the authors' code, beside a cross-entropy
    of weight 1.

    Args:
        num_classes: classes of the label, the background included. Positions of any other value are left out.

    Raises:
        ValueError: When ``num_classes`` is below 2; at the call, when batches or ranks differ, the label does not fit,
            or a feature has one channel (its cosines are ±1) or one position (which is its own mean).

    Example:
        >>> import torch
        >>> label = torch.tensor([[[[1, 1]]]])
        >>> alike = torch.tensor([[[[1.0, 2.0]], [[1.0, 2.0]]]])  # one direction: cosine 1 to the mean
        >>> apart = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # a right angle: cosine 0.707 to the mean
        >>> round(IntraClassVariationLoss(num_classes=2)(alike, apart, label=label).item(), 4)
        0.0858
    """

    compares = "cosines to the mean vector of the same class"
    paper = "IFVD: Wang 2020"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature, shape BMH[WD], of any channels and resolution; no gradient flows into it.
            label: class indices, shape B1H[WD], at any resolution.
        """
        self.check(student, teacher, label)
        size = [min(sides) for sides in zip(student.shape[2:], teacher.shape[2:], strict=True)]
        masks = class_masks(label, size, self.num_classes).to(student.dtype)
        difference = _variation(_pool(student, size), masks) - _variation(_pool(teacher.detach(), size), masks)
        return difference.square().sum() / masks.sum().clamp_min(1)
