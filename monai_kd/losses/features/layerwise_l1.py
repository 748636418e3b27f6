# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.layer_lists import as_layers
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["LayerwiseL1Loss"]


class LayerwiseL1Loss(nn.Module):
    r"""
    Mean absolute difference of every layer, with more weight on layers of lower resolution (Vaze et al.).

    .. math:: \sum_l w_l \langle |F^s_l - F^t_l| \rangle, \qquad
              w_l \propto 1 / (H_l W_l [D_l]), \qquad \textstyle\sum_l w_l = \mathrm{total}

    Only ratios of the map sizes matter, so the value depends neither on the batch nor on the image size. The loss is
    for teachers with the student's architecture, whose features have the same shapes: there is no adapter. Each halving
    of the resolution makes the weight of a layer four times as large (eight times in 3D), so the deepest few layers
    make up nearly all of the loss.

    Source: Vaze, Xie and Namburete, "Low-memory CNNs enabling real-time ultrasound segmentation towards mobile
    deployment", IEEE JBHI 2020. Their published code takes the last activation of every block before its
    normalization, and gives this loss and the supervised loss weight 1.

    Args:
        total: sum of the layers' weights, above 0. Defaults to 10.0, as published.

    Raises:
        ValueError: When ``total`` is not above 0; at the call, when the numbers of layers differ or the shapes of a
            pair differ.

    Example:
        >>> student = [torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 2)]  # weights 2 and 8
        >>> teacher = [torch.ones(1, 2, 4, 4), torch.zeros(1, 3, 2, 2)]
        >>> LayerwiseL1Loss()(student, teacher).item()
        2.0
    """

    compares = "all layers, by mean absolute difference"
    paper = "Vaze 2020"
    joint = True

    def __init__(self, total: float = 10.0) -> None:
        super().__init__()
        if not total > 0:
            raise ValueError(f"total must be above 0, got {total}. The paper's is 10.")
        self.total = total

    def extra_repr(self) -> str:
        return f"total={self.total}"

    @full_precision
    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> torch.Tensor:
        """
        Args:
            student: one feature for each layer, shape BNH[WD].
            teacher: features of the same shapes; no gradient flows into them.
        """
        pairs = as_layers(student, teacher)
        for pair in pairs:
            check_same_shape(*pair)
        shares = [1 / feature[0, 0].numel() for feature, _ in pairs]
        differences = [share * F.l1_loss(*pair) for share, pair in zip(shares, pairs, strict=True)]
        return self.total / sum(shares) * torch.stack(differences).sum()
