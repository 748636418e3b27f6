# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.networks.layers import Conv
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_images, check_same_shape

__all__ = ["MaskedGenerationLoss"]


class MaskedGenerationLoss(nn.Module):
    r"""
    Squared difference between the teacher's feature and one that is generated from the student's masked feature (MGD).

    .. math:: \big\langle (G(M \odot F^s) - F^t)^2 \big\rangle, \qquad
              G(x) = W_2 * \max(0, W_1 * x + b_1) + b_2, \qquad M \in \{0, 1\}

    At every call the mask :math:`M` is 0 at random positions, the same for all channels of a sample, so the student's
    feature must carry information about its surroundings. Both convolutions are 3-wide. Their weights belong to this
    loss and are trained with the pathways. Masks come from torch's global generator, so a seeded run repeats them.

    As with dropout, nothing is masked in evaluation mode: a value there is repeatable, but not comparable with those of
    training. Equal features do not give the minimum, because the generator is between them.

    The default is a mean. The paper sums over channels and positions and averages over samples, so its value grows with
    the image; use ``summed=True`` for the published weight. A weight :math:`\alpha` of the sum equals a weight
    :math:`\alpha \cdot C \cdot H \cdot W (\cdot D)` of the mean.

    Source: Yang et al., "Masked generative distillation", ECCV 2022, arXiv 2205.01529. Published weight: 2e-5 of the
    sum for semantic segmentation, at the encoder's last feature, with ``ratio`` 0.75. One mask for all channels and the
    division by the batch size are those of the published code.

    Args:
        spatial_dims: 2 or 3.
        channels: channels of the teacher's feature, and of the student's after its adapter.
        hidden_channels: channels between the two convolutions. Defaults to None: ``channels``, as published. For a wide
            teacher, fewer make the generator smaller (it has 60 million weights for 1824 channels).
        ratio: share of positions to mask, at least 0 and below 1. Defaults to 0.75, as published.
        summed: sum over channels and positions, as published. Defaults to False: a mean, so that the value does not
            depend on the image size.

    Raises:
        ValueError: When ``ratio`` is out of range; at the call, when the shapes differ or do not have ``channels``.

    Example:
        >>> loss = MaskedGenerationLoss(spatial_dims=2, channels=4)
        >>> loss(torch.rand(2, 4, 8, 8), torch.rand(2, 4, 8, 8)).shape
        torch.Size([])
    """

    compares = "features generated from masked student features"
    paper = "MGD: Yang 2022"

    def __init__(
        self,
        spatial_dims: int,
        channels: int,
        hidden_channels: int | None = None,
        ratio: float = 0.75,
        summed: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= ratio < 1:
            raise ValueError(
                f"ratio must be at least 0 and below 1, got {ratio}. At 1 everything would be masked; the paper uses "
                "0.75."
            )
        convolution = Conv[Conv.CONV, spatial_dims]
        hidden = channels if hidden_channels is None else hidden_channels
        self.spatial_dims = spatial_dims
        self.channels = channels
        self.ratio = ratio
        self.summed = summed
        self.generator = nn.Sequential(
            convolution(channels, hidden, kernel_size=3, padding=1),
            nn.ReLU(),
            convolution(hidden, channels, kernel_size=3, padding=1),
        )

    def extra_repr(self) -> str:
        return f"ratio={self.ratio}, summed={self.summed}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape (B, channels, H, W[, D]).
            teacher: feature, the same shape; no gradient flows into it.
        """
        check_same_shape(student, teacher)
        check_images(student, teacher, "MaskedGenerationLoss", self.spatial_dims)
        if student.shape[1] != self.channels:
            raise ValueError(
                f"MaskedGenerationLoss(channels={self.channels}) got features of shape {tuple(student.shape)}. "
                f"Set channels to {student.shape[1]}, the teacher's."
            )
        if self.training:
            student = student * self._mask(student)
        difference = F.mse_loss(self.generator(student), teacher.detach())
        return difference * student[0].numel() if self.summed else difference

    def _mask(self, feature: torch.Tensor) -> torch.Tensor:
        """One where a position is kept, shape B1H[WD]."""
        draw = torch.rand(len(feature), 1, *feature.shape[2:], device=feature.device)
        return (draw >= self.ratio).to(feature.dtype)
