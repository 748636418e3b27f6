# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from monai_kd.losses.logits.divergence import softmax_divergence, two_class_divergence, two_class_score
from monai_kd.losses.logits.softened import SoftenedLoss
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["LogitsKLLoss"]


class LogitsKLLoss(SoftenedLoss):
    r"""
    Kullback-Leibler divergence of the student's class probabilities from the teacher's (KD; KLD in Behboodi et al.).

    .. math:: T^2 \,\big\langle \textstyle\sum_c p^t_c \log (p^t_c / p^s_c) \big\rangle, \qquad p = \sigma(z / T)

    The loss sums over the classes and averages over samples and positions, so its value depends neither on the batch
    nor on the image size. The factor :math:`T^2` keeps the size of the gradient when the temperature is raised.

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015, arXiv 1503.02531; for breast
    ultrasound Behboodi et al., Artificial Intelligence in Health 2(2), 2025, doi 10.36922/aih.3509.

    Args:
        temperature: divisor of the logits, above 0; the larger, the more the less likely classes count. Defaults to
            1.0, the value of Behboodi et al. (2025).
        sigmoid: True for heads whose channels are independent: the divergence of two outcomes is taken per channel and
            averaged over the channels. For one channel it equals the softmax form on the two logits (0, z). Defaults to
            False: softmax over the channels.
        masked: whether only the positions count where the batch's "mask" (shape B1H[WD]) is not 0: a scan sector, or
            pixels of which the teacher is sure. Defaults to False.

    Raises:
        ValueError: When ``temperature`` is not above 0; at the call, when the shapes differ, or when there is one
            channel without ``sigmoid`` (its softmax is always 1, so the loss would always be 0).

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0]])
        >>> LogitsKLLoss()(logits, logits).item()
        0.0
        >>> round(LogitsKLLoss(temperature=4.0)(torch.zeros(1, 2), logits).item(), 3)
        0.485
    """

    compares = "class probabilities, by KL divergence"
    paper = "Hinton 2015; KLD of Behboodi 2025"

    def __init__(self, temperature: float = 1.0, sigmoid: bool = False, masked: bool = False) -> None:
        super().__init__(temperature, masked)
        self.sigmoid = sigmoid

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sigmoid={self.sigmoid}"

    @full_precision
    def moved(
        self,
        student: torch.Tensor,
        teacher: torch.Tensor,
        move: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        The loss of a teacher that must be moved onto the student's grid. Of two classes, only the difference is moved.

        Args:
            student: shape BN[HWD].
            teacher: the same shape, in its own view.
            move: of (teacher, detached student), both BM[HWD], gives the teacher on the student's grid. It is linear.
            mask: not 0 at the positions that count, shape B1H[WD]. Defaults to None: all count.
        """
        check_same_shape(student, teacher)
        is_own = type(self).compare is LogitsKLLoss.compare and type(self).forward is LogitsKLLoss.forward
        if not is_own or self.sigmoid or student.shape[1] != 2 or mask is not None:
            return self(student, move(teacher, student.detach()), mask)
        score = move(two_class_score(teacher), two_class_score(student.detach()))
        if self.temperature == 1:
            return two_class_divergence(student, score)
        return self.temperature**2 * two_class_divergence(student / self.temperature, score / self.temperature)

    def compare(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        if self.sigmoid:
            p = teacher.sigmoid()
            entropy = F.binary_cross_entropy_with_logits(teacher, p)
            return F.binary_cross_entropy_with_logits(student, p) - entropy
        if student.shape[1] == 1:
            raise ValueError(
                f"LogitsKLLoss got logits of one channel, shape {tuple(student.shape)}: a softmax over one channel is "
                "always 1 and the loss always 0. Use LogitsKLLoss(sigmoid=True), or a head of two channels."
            )
        return softmax_divergence(student, teacher, dim=1)
