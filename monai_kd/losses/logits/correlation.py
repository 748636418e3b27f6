# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape, check_temperature
from monai_kd.losses.parts.unit_vectors import unit_vectors

__all__ = ["LogitsCorrelationLoss"]


def _distance(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """One minus Pearson's correlation along the second axis, averaged over the others."""
    student, teacher = (unit_vectors(x - x.mean(1, keepdim=True), dim=1) for x in (student, teacher))
    return 1 - (student * teacher).sum(1).mean()


class LogitsCorrelationLoss(nn.Module):
    r"""
    One minus the correlation of the class probabilities, between classes and within each class (DIST).

    .. math:: w_\mathrm{inter} \big\langle 1 - \rho_c(p^s, p^t) \big\rangle_{n, \omega}
              + w_\mathrm{intra} \big\langle 1 - \rho_{n, \omega}(p^s, p^t) \big\rangle_c, \qquad p = \sigma(z / T)

    Pearson's correlation :math:`\rho` is taken over the classes at each position of each sample (how a position ranks
    the classes), and for each class over all positions of all samples in the batch (how a class ranks the positions).
    Only order and relative distances count: a student whose probabilities are flatter by the same factor everywhere has
    no loss.

    For two classes the first correlation is always 1 or -1, without gradient, so ``inter_weight`` must be 0. Where one
    side is constant, the correlation is undefined and counts as 0, without gradient.

    Source: Huang et al., "Knowledge distillation from a stronger teacher", NeurIPS 2022, arXiv 2205.10536; the axes and
    weights are those of the authors' segmentation code. Their classification code multiplies by T², the paper does not.
    This loss follows the paper, because a correlation and its gradient keep their size when the temperature is raised.
    Set both weights to T² to follow the code.

    Args:
        temperature: divisor of the logits, above 0. Defaults to 1.0.
        inter_weight: weight of the correlation between classes, the paper's beta. Defaults to 1.0.
        intra_weight: weight of the correlation within each class, the paper's gamma. Defaults to 1.0.
        sigmoid: True for heads whose channels are independent. Defaults to False: softmax over the channels.

    Raises:
        ValueError: When ``temperature`` is not above 0 or both weights are 0; at the call, when the shapes differ, or
            when a correlation with a weight is degenerate (fewer than three values, or the softmax of one channel).

    Example:
        >>> import torch
        >>> loss = LogitsCorrelationLoss(inter_weight=0.0)
        >>> teacher = torch.tensor([[[9.0, 0.0, 0.0, 9.0]], [[0.0, 9.0, 9.0, 0.0]]]).unsqueeze(0)
        >>> round(abs(loss(0.1 * teacher, teacher).item()), 4)  # the same positions, with less certainty
        0.0
        >>> round(loss(-teacher, teacher).item(), 4)
        2.0
    """

    compares = "class probabilities, by Pearson's correlation"
    paper = "DIST: Huang 2022"

    def __init__(
        self, temperature: float = 1.0, inter_weight: float = 1.0, intra_weight: float = 1.0, sigmoid: bool = False
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        if inter_weight == 0 and intra_weight == 0:
            raise ValueError("inter_weight and intra_weight are both 0, so nothing is compared. Set one above 0.")
        self.temperature = temperature
        self.inter_weight = inter_weight
        self.intra_weight = intra_weight
        self.sigmoid = sigmoid

    def extra_repr(self) -> str:
        weights = f"inter_weight={self.inter_weight}, intra_weight={self.intra_weight}"
        return f"temperature={self.temperature}, {weights}, sigmoid={self.sigmoid}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: logits, shape BNH[WD].
            teacher: logits, the same shape; no gradient flows into them.
        """
        check_same_shape(student, teacher)
        self._check(student)
        scaled = (student / self.temperature, teacher.detach() / self.temperature)
        student, teacher = (z.sigmoid() if self.sigmoid else z.softmax(dim=1) for z in scaled)
        value = student.new_zeros(())
        if self.inter_weight:
            value = value + self.inter_weight * _distance(student, teacher)
        if self.intra_weight:
            student, teacher = (p.transpose(0, 1).flatten(1) for p in (student, teacher))
            value = value + self.intra_weight * _distance(student, teacher)
        return value

    def _check(self, logits: torch.Tensor) -> None:
        shape, channels = tuple(logits.shape), logits.shape[1]
        if channels == 1 and not self.sigmoid:
            raise ValueError(
                f"LogitsCorrelationLoss got logits of one channel, shape {shape}: a softmax over one channel is always "
                "1. Use LogitsCorrelationLoss(sigmoid=True, inter_weight=0), or a head of two channels."
            )
        if channels < 3 and self.inter_weight:
            raise ValueError(
                f"LogitsCorrelationLoss got logits of shape {shape}: the correlation between {channels} classes is "
                "always 1 or -1, and its gradient 0. Use LogitsCorrelationLoss(inter_weight=0)."
            )
        if logits.numel() < 3 * channels and self.intra_weight:
            raise ValueError(
                f"LogitsCorrelationLoss got logits of shape {shape}: the correlation within a class needs three "
                "samples or positions. Use a larger batch, or LogitsCorrelationLoss(intra_weight=0)."
            )
