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
    Cross-entropy of noisy labels behind a second softmax layer that learns how they are wrong (NF-Net).

    .. math:: -\big\langle \log \tilde p(\tilde y) \big\rangle, \qquad
              \tilde p(\tilde y) = \sum_y p(y \mid x)\, Q(\tilde y \mid y), \qquad p = \sigma(z^s),\ Q = \sigma(W)

    where :math:`\tilde y` is the label as it is given, and :math:`Q(\tilde y \mid y)` the probability that an image of
    class :math:`y` carries it. Each row of :math:`W` passes through the second softmax, so the rows of :math:`Q` are
    distributions whatever is learned. The student keeps its own softmax, which speaks of the true classes: nothing is
    added to it for inference.

    It takes the place of the supervised loss: give the trainer ``supervised_weight=0``. That it is a pathway's loss
    has :math:`W` trained, saved, resumed and kept equal across processes with the other pathways; the teacher's logits
    are not compared. What ties the student to clean labels is a second pathway, :class:`LogitsMSELoss` against a
    teacher of clean labels, or against the moving average of the student. Without one, a student that can learn the
    noisy labels by heart will, and :math:`Q` stays where it began.

    Source: in the style of Cao et al., "Breast tumor classification through learning from noisy labeled ultrasound
    images", Medical Physics 47(3), 2020, of which the abstract alone could be read: two softmax layers, and a teacher
    and student that distill what clean labels tell. The second layer is the simple noise adaptation layer of
    Goldberger and Ben-Reuven, "Training deep neural-networks using a noise adaptation layer", ICLR 2017, whose
    probabilities of error do not depend on the image.

    Args:
        num_classes: of student and label.
        initial_noise: share of wrong labels that the training begins with, the same for all classes and spread evenly
            over the wrong ones, above 0 and below ``1 - 1 / num_classes``. Defaults to 0.1: near the identity, and yet
            not where the softmax is flat. A step of Adam moves :math:`W` by about the learning rate, so a short
            training hardly leaves this value: give it an estimate of the share.

    Raises:
        ValueError: When an argument is out of range; at the call, when the shapes differ, the student has another
            number of classes, or the label does not fit.

    Example:
        >>> import torch
        >>> loss = NoiseAdaptationLoss(num_classes=2, initial_noise=0.2)
        >>> loss.transition.detach()
        tensor([[0.8000, 0.2000],
                [0.2000, 0.8000]])
        >>> logits = torch.tensor([[9.0, -9.0]])  # a student that is sure of class 0, whatever the label says
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
                f"initial_noise={initial_noise} must be above 0, where nothing could be learned, and below "
                f"{1 - 1 / num_classes:g}, where a label tells nothing of {num_classes} classes. Give 0.1, or an "
                "estimate of the share of wrong labels."
            )
        self.num_classes = num_classes
        self.initial_noise = initial_noise
        wrong = torch.full((num_classes, num_classes), math.log(initial_noise / (num_classes - 1)))
        self.weight = nn.Parameter(wrong.fill_diagonal_(math.log1p(-initial_noise)))

    @property
    def transition(self) -> torch.Tensor:
        """The matrix Q, whose row y holds the probabilities of each label for an image of class y."""
        return self.weight.softmax(dim=1)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"num_classes={self.num_classes}, initial_noise={self.initial_noise}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: logits, shape BNH[WD], or BN of a classifier.
            teacher: logits, the same shape; not compared.
            label: class indices, shape B1H[WD] or BH[WD]: B1 or B for a classifier. What is no class (an "ignore"
                label, say) is left out of the mean.
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
        # log sum_y p(y) Q(label | y): the column of the label at each position, in the shape of the logits.
        column = F.log_softmax(self.weight, dim=1).T[target.squeeze(1)].movedim(-1, 1)
        noisy = (F.log_softmax(student, dim=1) + column.to(student.dtype)).logsumexp(dim=1, keepdim=True)
        return -torch.where(known, noisy, 0.0).sum() / known.sum().clamp_min(1)
