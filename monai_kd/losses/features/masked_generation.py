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
    Squared difference between the teacher's feature and one generated from the student's masked feature (MGD).

    .. math:: \big\langle (G(M \odot F^s) - F^t)^2 \big\rangle, \qquad
              G(x) = W_2 * \max(0, W_1 * x + b_1) + b_2, \qquad M \in \{0, 1\}

    At every call :math:`M` is 0 at random positions, the same for all channels of a sample, so that the student's
    feature must tell of what is around it. Both convolutions are 3-wide; their weights belong to this loss and are
    trained with the pathways. Masks come from torch's global generator: a seeded run repeats them.

    In evaluation mode nothing is masked, as with dropout, so a value repeats, but it does not compare with those of
    training. Equal features are not the minimum: the generator stands between them.

    By default the mean is taken. The paper sums over channels and positions and averages over samples, which grows
    with the image: ``summed=True`` does so, for the published weight. A weight :math:`\alpha` of the sum is a weight
    :math:`\alpha \cdot C \cdot H \cdot W (\cdot D)` of the mean.

    Source: Yang et al., "Masked generative distillation", ECCV 2022, arXiv 2205.01529. Published weight: 2e-5 of the
    sum for semantic segmentation, at the encoder's last feature, with ``ratio`` 0.75. The masks shared by the channels
    and the division by the batch are those of the published code.

    Args:
        spatial_dims: 2 or 3.
        channels: channels of the teacher's feature, and of the student's after its adapter.
        hidden_channels: channels between the two convolutions. Defaults to None: ``channels``, as published. Fewer
            make the generator of a wide teacher (60 million weights for 1824 channels) smaller.
        ratio: share of positions to mask, at least 0 and below 1. Defaults to 0.75, as published.
        summed: whether to sum over channels and positions, as published. Defaults to False: a mean, so that the value
            does not depend on the image size.

    Raises:
        ValueError: When ``ratio`` is out of range; at the call, when the shapes differ or have other channels.

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
                f"ratio must be at least 0 and below 1, got {ratio}. At 1 nothing of the student is left; the paper's "
                "is 0.75."
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
        """The arguments that the generator does not show."""
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
