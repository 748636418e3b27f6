# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_kd.losses.divergence import softmax_divergence
from monai_kd.losses.softened import SoftenedLoss

__all__ = ["HiddenKLLoss"]


class HiddenKLLoss(SoftenedLoss):
    r"""
    Kullback-Leibler divergence of hidden features that a softmax has made distributions (H_KLD in Behboodi et al.).

    .. math:: T^2 \,\big\langle \textstyle\sum_i p_i \log (p_i / q_i) \big\rangle, \qquad
              p = \mathrm{softmax}_i(F^t / T),\ q = \mathrm{softmax}_i(F^s / T)

    The paper does not say along which axis. By default :math:`i` runs over the channels: at each position, which
    channels answer most. With ``spatial=True`` it runs over the positions: for each channel, where it answers most
    (the channel-wise distillation of Shu et al., ICCV 2021, arXiv 2011.13256). Summed over :math:`i`, averaged over
    all else, so the value depends neither on the batch nor on the image size. A shift of all values along the axis
    changes nothing, unlike with a squared difference.

    Source: Behboodi et al. (2025).

    Args:
        temperature: divisor of the features, above 0. Defaults to 1.0, the paper's.
        spatial: whether the distribution is over the positions of each channel. Defaults to False: over the channels
            at each position.

    Raises:
        ValueError: When ``temperature`` is not above 0; at the call, when the shapes differ, or when the axis has one
            entry (its softmax is always 1, so the loss would always be 0).

    Example:
        >>> import torch
        >>> student, teacher = torch.zeros(1, 2, 1, 2), torch.tensor([[[[2.0, 2.0]], [[0.0, 0.0]]]])
        >>> round(HiddenKLLoss()(student, teacher).item(), 4)  # the first channel answers most
        0.3278
        >>> HiddenKLLoss(spatial=True)(student, teacher).item()  # and both do so everywhere alike
        0.0
    """

    def __init__(self, temperature: float = 1.0, spatial: bool = False) -> None:
        super().__init__(temperature)
        self.spatial = spatial

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, spatial={self.spatial}"

    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature divided by the temperature, shape BNH[WD].
            teacher: the same, without gradient history.
        """
        shape = tuple(student.shape)
        if self.spatial:
            student, teacher = student.flatten(2), teacher.flatten(2)
        dim = 2 if self.spatial else 1
        if student.shape[dim] == 1:
            axis, other = ("position", "False") if self.spatial else ("channel", "True")
            raise ValueError(
                f"HiddenKLLoss(spatial={self.spatial}) got features of one {axis}, shape {shape}: a softmax over one "
                f"{axis} is always 1 and the loss always 0. Use HiddenKLLoss(spatial={other}), or name another layer."
            )
        return softmax_divergence(student, teacher, dim)
