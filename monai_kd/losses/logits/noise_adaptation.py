# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.class_masks import check_label, has_class
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["NoiseAdaptationLoss"]


class NoiseAdaptationLoss(nn.Module):
    r"""
    Cross-entropy against noisy labels, with a second softmax layer that learns the errors of the labels (NF-Net).

    .. math:: -\big\langle \log \tilde p(\tilde y) \big\rangle, \qquad
              \tilde p(\tilde y) = \sum_y p(y \mid x)\, Q(\tilde y \mid y), \qquad p = \sigma(z^s),\ Q = \sigma(W)

    where :math:`\tilde y` is the given label, and :math:`Q(\tilde y \mid y)` the probability that an image of class
    :math:`y` has it. :math:`Q` is the softmax of each row of :math:`W`, so its rows are always distributions. The
    student's own softmax predicts the true classes, so inference needs no extra layer.

    This loss replaces the supervised loss: set the trainer's ``supervised_weight=0``. As a pathway's loss, :math:`W` is
    trained, saved, resumed and kept equal across processes with the other pathways. The teacher's logits are not
    compared. Add a second pathway that ties the student to clean labels: :class:`LogitsMSELoss` against a teacher
    trained on clean labels, or against the moving average of the student. Without it, a large student memorizes the
    noisy labels, and :math:`Q` stays at its initial value.

    Source: in the style of Cao et al., "Breast tumor classification through learning from noisy labeled ultrasound
    images", Medical Physics 47(3), 2020, of which we could read the abstract only: two softmax layers, and distillation
    from a teacher that learned from clean labels. The second layer is the simple noise adaptation layer of Goldberger
    and Ben-Reuven, "Training deep neural-networks using a noise adaptation layer", ICLR 2017, whose error probabilities
    do not depend on the image.

    Args:
        num_classes: classes of the student and the label, 2 or more.
        initial_noise: initial share of wrong labels, the same for all classes and spread evenly over the wrong ones,
            above 0 and below ``1 - 1 / num_classes``. Defaults to 0.1, near the identity but not where the softmax is
            flat. One step of Adam moves :math:`W` by about the learning rate, so a short training hardly leaves this
            value: give an estimate of the share.

    Raises:
        ValueError: When an argument is out of range; at the call, when the shapes differ, the student does not have
            ``num_classes``, or the label does not fit.

    Example:
        >>> import torch
        >>> loss = NoiseAdaptationLoss(num_classes=2, initial_noise=0.2)
        >>> loss.transition.detach()
        tensor([[0.8000, 0.2000],
                [0.2000, 0.8000]])
        >>> logits = torch.tensor([[9.0, -9.0]])  # the student is sure of class 0
        >>> [round(loss(logits, logits, label=torch.tensor([[y]])).exp().item(), 3) for y in (0, 1)]
        [1.25, 5.0]
    """

    compares = "noisy labels, with a learned error matrix"
    paper = "NF-Net: Cao 2020"
    uses = ("label",)

    def __init__(self, num_classes: int, initial_noise: float = 0.1) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"NoiseAdaptationLoss got num_classes={num_classes}. Give 2 or more.")
        if not 0 < initial_noise < 1 - 1 / num_classes:
            raise ValueError(
                f"initial_noise={initial_noise} must be above 0 (where nothing could be learned) and below "
                f"{1 - 1 / num_classes:g} (where a label tells nothing about {num_classes} classes). Give 0.1, or an "
                "estimate of the share of wrong labels."
            )
        self.num_classes = num_classes
        self.initial_noise = initial_noise
        wrong = torch.full((num_classes, num_classes), math.log(initial_noise / (num_classes - 1)))
        self.weight = nn.Parameter(wrong.fill_diagonal_(math.log1p(-initial_noise)))

    @property
    def transition(self) -> torch.Tensor:
        """The matrix Q: row y holds the probability of each label for an image of class y."""
        return self.weight.softmax(dim=1)

    def extra_repr(self) -> str:
        return f"num_classes={self.num_classes}, initial_noise={self.initial_noise}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: logits, shape BNH[WD], or BN of a classifier.
            teacher: logits, the same shape; not compared.
            label: class indices, shape B1H[WD] or BH[WD]: B1 or B for a classifier. An index that is no class (an
                "ignore" label, for example) is left out of the mean.
        """
        check_same_shape(student, teacher)
        if student.shape[1] != self.num_classes:
            raise ValueError(
                f"student has shape {tuple(student.shape)}, {student.shape[1]} classes, but NoiseAdaptationLoss has "
                f"num_classes={self.num_classes}. Make both equal."
            )
        label = label.unsqueeze(1) if label.ndim == student.ndim - 1 else label
        check_label(label, student)
        known = has_class(label, self.num_classes)
        target = torch.where(known, label, 0).long().clamp(0, self.num_classes - 1)
        # log sum_y p(y) Q(label | y) needs the label's column of Q at each position, in the shape of the logits.
        column = F.log_softmax(self.weight, dim=1).T[target.squeeze(1)].movedim(-1, 1)
        noisy = (F.log_softmax(student, dim=1) + column.to(student.dtype)).logsumexp(dim=1, keepdim=True)
        return -torch.where(known, noisy, 0.0).sum() / known.sum().clamp_min(1)
