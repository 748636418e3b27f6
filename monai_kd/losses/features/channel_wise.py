# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_kd.losses.logits.divergence import softmax_divergence
from monai_kd.losses.logits.softened import SoftenedLoss

__all__ = ["ChannelWiseLoss"]

# Finite: infinity would make 0 · ∞ in the divergence.
_FAR_BELOW = -1e30


class ChannelWiseLoss(SoftenedLoss):
    r"""
    Kullback-Leibler divergence of where each channel is active, student against teacher (CWD).

    .. math:: T^2 \,\big\langle \textstyle\sum_{i \in \Omega} p_i \log (p_i / q_i) \big\rangle_{n, c}, \qquad
              p = \mathrm{softmax}_{i \in \Omega}(z^t / T),\ q = \mathrm{softmax}_{i \in \Omega}(z^s / T)

    A softmax over the positions makes each channel of each sample a distribution. The loss sums over the positions and
    averages over samples and channels, so its value depends neither on the batch nor on the image size. A constant
    added to a channel changes nothing, and logits of one channel are allowed. :class:`HiddenKLLoss` takes the softmax
    over the channels at each position instead.

    Source: Shu et al., "Channel-wise knowledge distillation for dense prediction", ICCV 2021, arXiv 2011.13256; weight
    3 on logits, 50 on features, beside a cross-entropy of weight 1. Where channels differ, the paper maps the student's
    to the teacher's by a 1×1 convolution (``ChannelAdapter``).

    Args:
        temperature: divisor of the logits or features, above 0; larger values take wider regions into account. Defaults
            to 4.0, as in the paper.
        masked: whether only the positions where the batch's "mask" (shape B1H[WD]) is not 0 are in the distribution.
            Defaults to False.

    Raises:
        ValueError: When ``temperature`` is not above 0; at the call, when the shapes differ, or when there is one
            position (its softmax is always 1, so the loss would always be 0).

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[[[8.0, 0.0]]]])  # one channel, active on the left
        >>> round(ChannelWiseLoss()(torch.zeros(1, 1, 1, 2), teacher).item(), 3)
        5.245
        >>> ChannelWiseLoss()(teacher - 5, teacher).item()
        0.0
    """

    compares = "where each channel is active, by KL divergence"
    paper = "CWD: Shu 2021"

    def __init__(self, temperature: float = 4.0, masked: bool = False) -> None:
        super().__init__(temperature, masked)

    def hide(
        self, student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        Take positions out of the softmax by logits far below all others.

        Args:
            student: shape BNH[WD].
            teacher: the same shape.
            mask: booleans, shape B1H[WD].
        """
        return student.masked_fill(~mask, _FAR_BELOW), teacher.masked_fill(~mask, _FAR_BELOW), student.new_ones(())

    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        if student[0, 0].numel() == 1:
            raise ValueError(
                f"ChannelWiseLoss got features of one position, shape {tuple(student.shape)}: a softmax over one "
                "position is always 1 and the loss always 0. Use HiddenKLLoss, or name a layer of higher resolution."
            )
        return softmax_divergence(student.flatten(2), teacher.flatten(2), dim=2)
