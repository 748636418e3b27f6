# SPDX-License-Identifier: Apache-2.0
"""The base class of losses with a temperature, which applies the factor T² once."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn

from monai_kd.losses.parts.position_mask import position_mask
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape, check_temperature

__all__ = ["SoftenedLoss"]


class SoftenedLoss(nn.Module):
    r"""
    Base class for losses that divide logits by a temperature before they compare them.

    .. math:: T^2 \cdot \mathrm{compare}(z^s / T,\ z^t / T)

    The gradient of the comparison shrinks with :math:`1 / T^2`, so the factor :math:`T^2` keeps its size when the
    temperature is raised. A subclass writes ``compare``.

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, arXiv 1503.02531.

    Args:
        temperature: divisor of the logits, above 0; the larger, the more the less likely classes count. Defaults to
            1.0.
        masked: whether the batch's "mask" (shape B1H[WD], at any resolution) says which positions count: those where
            it is not 0. A subclass offers it if its value is a mean over the positions that is zero where student and
            teacher agree, or writes ``hide``. Defaults to False.

    Raises:
        ValueError: When ``temperature`` is not above 0; at the call, when the shapes differ.

    Example:
        >>> class Squares(SoftenedLoss):
        ...     def compare(self, student, teacher):
        ...         return (student - teacher).square().mean()
        >>> Squares(temperature=4.0)(torch.zeros(1, 2), torch.full((1, 2), 3.0)).item()  # 4² · (3 / 4)²
        9.0
    """

    def __init__(self, temperature: float = 1.0, masked: bool = False) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature
        if masked:
            self.uses = ("mask",)

    def extra_repr(self) -> str:
        masked = ", masked=True" if getattr(self, "uses", ()) == ("mask",) else ""
        return f"temperature={self.temperature}{masked}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """
        Args:
            student: logits or feature, shape BN[HWD].
            teacher: the same shape; no gradient flows into it.
            mask: not 0 at the positions that count, shape B1H[WD], at any resolution. Defaults to None: all count.
        """
        check_same_shape(student, teacher)
        teacher = teacher.detach()
        factor: torch.Tensor | float = self.temperature**2
        if mask is not None:
            student, teacher, weight = self.hide(student, teacher, position_mask(mask, student))
            factor = factor * weight
        if self.temperature == 1:  # saves four passes over both tensors
            value = self.compare(student, teacher)
            return value if mask is None else factor * value
        return factor * self.compare(student / self.temperature, teacher / self.temperature)

    def hide(
        self, student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        Make student and teacher equal where ``mask`` is False, so that these positions add nothing.

        Args:
            student: shape BNH[WD].
            teacher: the same shape.
            mask: booleans, shape B1H[WD].

        Returns:
            Student, teacher, and the factor by which the mean over all positions becomes that over those that count.
        """
        return torch.where(mask, student, teacher), teacher, mask.numel() / mask.sum().clamp_min(1)

    @abstractmethod
    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        A scalar that compares both; :meth:`forward` multiplies it by the squared temperature.

        Args:
            student: logits or feature divided by the temperature, shape BN[HWD].
            teacher: the same, without gradient.
        """
