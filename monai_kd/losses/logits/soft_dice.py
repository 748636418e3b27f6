# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_images, check_same_shape

__all__ = ["SoftDiceLoss"]

SMOOTH = 1e-5  # pixels; makes the Dice 1 where both are empty


class SoftDiceLoss(nn.Module):
    r"""
    Soft Dice loss between the student's and the teacher's class probabilities.

    .. math:: 1 - \Big\langle \frac{2 \sum_i p^s_i p^t_i}{\sum_i (p^s_i)^2 + \sum_i (p^t_i)^2} \Big\rangle,
              \qquad p = \mathrm{softmax}(z)

    The loss sums over the positions of an image and averages over images and classes. It is 0 where both agree, also
    for probabilities between 0 and 1, thanks to the squares in the denominator (Milletari et al.). A small lesion
    counts as much as a large one; a loss averaged over positions would hardly see it.

    Source: Milletari, Navab and Ahmadi, "V-Net", 2016, arXiv 1606.04797, with a teacher's probabilities in place of
    labels.

    Args:
        include_background: whether the first class counts. Defaults to False.

    Raises:
        ValueError: At the call, when the shapes differ, or when there are no spatial axes or only one class.

    Example:
        >>> logits = torch.randn(2, 2, 8, 8)
        >>> round(SoftDiceLoss()(logits, logits).item(), 6)
        0.0
        >>> sure = torch.tensor([[-9.0, 9.0]]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
        >>> round(SoftDiceLoss()(sure, -sure).item(), 3)
        1.0
    """

    compares = "class probabilities, by soft Dice"
    paper = "Milletari 2016, with a teacher's answer"
    sigmoid = False  # a softmax over the channels

    def __init__(self, include_background: bool = False) -> None:
        super().__init__()
        self.include_background = include_background

    def extra_repr(self) -> str:
        return f"include_background={self.include_background}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: logits, shape BNH[WD].
            teacher: logits, the same shape; no gradient flows into them.

        Returns:
            A scalar from 0 to 1.
        """
        check_same_shape(student, teacher)
        check_images(student, teacher, "SoftDiceLoss")
        if student.shape[1] == 1:
            raise ValueError(
                f"SoftDiceLoss got logits of one channel, shape {tuple(student.shape)}: a softmax over one channel is "
                "always 1, so the loss is constant. Use a head with one channel per class, the background included."
            )
        p, q = (logits.softmax(1)[:, 0 if self.include_background else 1 :] for logits in (student, teacher.detach()))
        places = tuple(range(2, student.ndim))
        overlap, squares = 2 * (p * q).sum(places), (p * p + q * q).sum(places)
        return 1 - ((overlap + SMOOTH) / (squares + SMOOTH)).mean()
