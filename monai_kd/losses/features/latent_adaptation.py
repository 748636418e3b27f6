# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape
from monai_kd.losses.parts.unit_vectors import check_vectors, magnitude, unit_vectors

__all__ = ["LatentAdaptationLoss"]


class LatentAdaptationLoss(nn.Module):
    r"""
    Absolute difference between the student's feature and the teacher's code, both at unit length (knowledge
    adaptation).

    .. math:: \Big\langle \Big| \frac{C_f(F^s)}{\lVert C_f(F^s) \rVert_2} - \frac{E(F^t)}{\lVert E(F^t) \rVert_2}
              \Big| \Big\rangle

    The channels at each position are scaled to unit length, so only directions are compared. The loss averages over
    channels, samples and positions. The adapter :math:`C_f` (a 3-wide convolution, batch norm, ReLU) is the pathway's
    ``student_adapter``; the encoder :math:`E` of a pre-trained :class:`monai_kd.networks.FeatureAutoencoder` is its
    ``teacher_adapter``. The encoder is frozen, so both cannot agree on a trivial code.

    Source: in the style of He et al., "Knowledge adaptation for efficient semantic segmentation", CVPR 2019, arXiv
    1903.04688: the L1 norm of the difference of L2-normalized features, at weight 50. We could not check over which
    axis the paper normalizes. Here each position is normalized by itself; torchdistill normalizes the whole map of a
    sample, so its loss falls as the image grows. The mean over channels, in place of a sum, makes weight 50 suit codes
    of any width.

    Raises:
        ValueError: At the call, when the shapes differ, or the features have one channel (its direction is ±1).

    Example:
        >>> import torch
        >>> student, teacher = torch.tensor([[[[3.0]], [[4.0]]]]), torch.tensor([[[[1.0]], [[0.0]]]])
        >>> round(LatentAdaptationLoss()(student, teacher).item(), 4)  # of (0.6, 0.8) and (1, 0)
        0.6
    """

    compares = "directions of a feature and a teacher's code"
    paper = "He 2019, knowledge adaptation"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature after its adapter, shape BNH[WD].
            teacher: code, the same shape; no gradient flows into it.
        """
        check_same_shape(student, teacher)
        check_vectors(student, teacher)
        directions = [unit_vectors(x, dim=1, scale=magnitude(x)) for x in (student, teacher.detach())]
        return F.l1_loss(directions[0], directions[1])
