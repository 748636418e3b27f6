# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F

from monai_kd.losses.logits.divergence import softmax_divergence
from monai_kd.losses.logits.softened import SoftenedLoss
from monai_kd.losses.parts.class_masks import check_label, has_class
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["DecoupledLogitsLoss"]


class DecoupledLogitsLoss(SoftenedLoss):
    r"""
    Divergence of the target class against all others, plus divergence among the others, with separate weights (DKD).

    .. math:: T^2 \,\big\langle w_t \, \mathrm{KL}\big((p^t_y, 1 - p^t_y) \,\|\, (p^s_y, 1 - p^s_y)\big)
              + w_o \, \mathrm{KL}(\hat p^t \,\|\, \hat p^s) \big\rangle, \qquad
              p = \sigma(z / T),\ \hat p_c = p_c / (1 - p_y),\ c \ne y

    where :math:`y` is the label. In the plain divergence (:class:`LogitsKLLoss`) the second part has the weight
    :math:`1 - p^t_y`, so a teacher that is sure of the target class teaches nothing about the others. Here that weight
    is fixed. The loss averages over samples and positions.

    Source: Zhao et al., "Decoupled knowledge distillation", CVPR 2022, arXiv 2203.08679, with one label for each
    position in place of one for each image. The defaults are the paper's for CIFAR-100; for ImageNet it has an
    ``other_weight`` of 0.5 and a temperature of 1. The authors' code also raises the loss linearly from 0 to its full
    weight over the first 20 epochs; a schedule of the pathway's ``weight`` does that.

    Args:
        temperature: divisor of the logits, above 0. Defaults to 4.0.
        target_weight: weight of the first part, the paper's alpha. Defaults to 1.0.
        other_weight: weight of the second part, the paper's beta. Defaults to 8.0.

    Raises:
        ValueError: When ``temperature`` is not above 0; at the call, when the shapes differ, the label does not fit, or
            there are fewer than three classes (the other classes must be two or more).

    Example:
        >>> import torch
        >>> teacher, label = torch.tensor([[9.0, 2.0, 0.0]]), torch.tensor([[0]])
        >>> round(DecoupledLogitsLoss()(torch.tensor([[9.0, 2.0, 0.0]]), teacher, label=label).item(), 4)
        0.0
        >>> round(DecoupledLogitsLoss()(torch.tensor([[9.0, 0.0, 2.0]]), teacher, label=label).item(), 2)
        15.67
    """

    compares = "target class, and all other classes, by KL"
    paper = "DKD: Zhao 2022"
    sigmoid = False  # a softmax over the channels
    uses = ("label",)

    def __init__(self, temperature: float = 4.0, target_weight: float = 1.0, other_weight: float = 8.0) -> None:
        super().__init__(temperature)
        self.target_weight = target_weight
        self.other_weight = other_weight

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, target_weight={self.target_weight}, other_weight={self.other_weight}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: logits, shape BNH[WD].
            teacher: logits, the same shape; no gradient flows into them.
            label: class indices, shape B1H[WD], resized to the logits' grid (nearest neighbor). Positions whose index
                is no class (an "ignore" label, for example) are left out.
        """
        check_same_shape(student, teacher)
        _check_classes(student)
        check_label(label, student)
        if label.shape[2:] != student.shape[2:]:
            label = F.interpolate(label.float(), size=student.shape[2:], mode="nearest")
        known = has_class(label, student.shape[1])
        student = torch.where(known, student, teacher.detach())
        target = torch.where(known, label, 0).long().clamp(0, student.shape[1] - 1)
        (target_student, other_student), (target_teacher, other_teacher) = (
            self._decouple(logits, target) for logits in (student, teacher.detach())
        )
        target_term: torch.Tensor = super().forward(target_student, target_teacher)
        other_term: torch.Tensor = super().forward(other_student, other_teacher)
        # Without a class, student and teacher are equal and the term is 0: this makes the mean one over the others.
        share = known.sum().clamp_min(1) / known.numel()
        return (self.target_weight * target_term + self.other_weight * other_term) / share

    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        return softmax_divergence(student, teacher, dim=1)

    def _decouple(self, logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the target class and of all others together, shape B2H[WD], and the logits of the others."""
        classes = logits.shape[1]
        steps = torch.arange(1, classes, device=logits.device).reshape(1, -1, *[1] * (logits.ndim - 2))
        others = logits.gather(1, (target + steps) % classes)
        rest = self.temperature * (others / self.temperature).logsumexp(dim=1, keepdim=True)
        return torch.cat([logits.gather(1, target), rest], dim=1), others


def _check_classes(logits: torch.Tensor) -> None:
    if logits.shape[1] < 3:
        raise ValueError(
            f"DecoupledLogitsLoss got logits of shape {tuple(logits.shape)}, {logits.shape[1]} classes: it needs two "
            "or more classes besides the target. Use LogitsKLLoss, or three classes or more."
        )
