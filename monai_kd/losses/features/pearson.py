# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape
from monai_kd.losses.parts.unit_vectors import magnitude, unit_vectors

__all__ = ["FeaturePearsonLoss"]


class FeaturePearsonLoss(nn.Module):
    r"""
    Squared difference of features of zero mean and unit variance: one minus their Pearson correlation (PKD).

    .. math:: \tfrac12 \big\langle (\hat F^s - \hat F^t)^2 \big\rangle, \qquad
              \hat F_c = (F_c - \bar F_c) / \mathrm{std}(F_c)

    Mean and standard deviation of each channel are taken over the batch and all positions. Scale and offset of a
    channel change nothing, so that layers of differently built networks can be compared.

    Source: Cao et al., "PKD: General distillation framework for object detectors via Pearson correlation coefficient",
    NeurIPS 2022, arXiv 2207.02039. The authors weigh it by 6 on the features of a detector's neck; a segmentation
    network's decoder is the like of it. Their standard deviation divides by n - 1 and has 1e-6 added; here it divides
    by n, so that the value does not depend on the size, and a constant channel becomes zero.

    Raises:
        ValueError: At the call, when the shapes differ, or a channel has fewer than three numbers.

    Example:
        >>> teacher = torch.rand(2, 3, 4, 4)
        >>> FeaturePearsonLoss()(5 * teacher + 1, teacher).item() < 1e-6
        True
    """

    compares = "values of each channel, by Pearson's correlation"
    paper = "PKD: Cao 2022"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature, the same shape; no gradient flows into it.
        """
        check_same_shape(student, teacher)
        if student[:, 0].numel() < 3:
            raise ValueError(
                f"FeaturePearsonLoss got {student[:, 0].numel()} numbers a channel, shape {tuple(student.shape)}: the "
                "correlation of fewer than three is no more than a sign. Give larger batches, or a layer of higher "
                "resolution."
            )
        return 0.5 * (_standardized(student) - _standardized(teacher.detach())).square().mean()


def _standardized(feature: torch.Tensor) -> torch.Tensor:
    channels = feature.transpose(0, 1).flatten(1)
    centered = channels - channels.mean(1, keepdim=True)
    return unit_vectors(centered, dim=1, scale=magnitude(feature)) * channels.shape[1] ** 0.5
