# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_kd.losses.logits.divergence import softmax_divergence
from monai_kd.losses.logits.softened import SoftenedLoss

__all__ = ["HiddenKLLoss"]


class HiddenKLLoss(SoftenedLoss):
    r"""
    Kullback-Leibler divergence of the softmax of hidden features (H_KLD in Behboodi et al.).

    .. math:: T^2 \,\big\langle \textstyle\sum_c p_c \log (p_c / q_c) \big\rangle, \qquad
              p = \mathrm{softmax}_c(F^t / T),\ q = \mathrm{softmax}_c(F^s / T)

    The paper does not say along which axis the softmax runs. Here :math:`c` runs over the channels: the loss compares
    which channels are most active at each position. :class:`ChannelWiseLoss` compares where each channel is most
    active. The loss sums over the channels and averages over samples and positions, so its value depends neither on the
    batch nor on the image size. A constant added to all channels at a position changes nothing.

    Source: Behboodi, Brooks and Rivaz, "Optimizing knowledge distillation for efficient breast ultrasound image
    segmentation", Artificial Intelligence in Health 2(2), 2025, doi 10.36922/aih.3509.

    Args:
        temperature: divisor of the features, above 0. Defaults to 1.0, as in the paper.
        masked: whether only the positions count where the batch's "mask" (shape B1H[WD]) is not 0. Defaults to False.

    Raises:
        ValueError: When ``temperature`` is not above 0; at the call, when the shapes differ, or when there is one
            channel (its softmax is always 1, so the loss would always be 0).

    Example:
        >>> import torch
        >>> student, teacher = torch.zeros(1, 2, 1, 2), torch.tensor([[[[2.0, 2.0]], [[0.0, 0.0]]]])
        >>> round(HiddenKLLoss()(student, teacher).item(), 4)  # the teacher's first channel is more active
        0.3278
    """

    compares = "softmax of hidden features, by KL divergence"
    paper = "KLD on hidden features of Behboodi 2025"

    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        if student.shape[1] == 1:
            raise ValueError(
                f"HiddenKLLoss got features of one channel, shape {tuple(student.shape)}: a softmax over one channel "
                "is always 1 and the loss always 0. Use ChannelWiseLoss, or name another layer."
            )
        return softmax_divergence(student, teacher, dim=1)
