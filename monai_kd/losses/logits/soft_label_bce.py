# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.logits.binary_cross_entropy import one_against_rest
from monai_kd.losses.parts.class_masks import has_class
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_shape

__all__ = ["SoftLabelBCELoss"]


class SoftLabelBCELoss(nn.Module):
    r"""
    Binary cross-entropy against the label where there is one, else against the teacher's probability (BCE).

    .. math:: -\big\langle q \log p + (1 - q) \log (1 - p) \big\rangle, \qquad p = \sigma(z^s),\quad
              q = \begin{cases} y & \text{labelled} \\ \sigma(z^t) & \text{else} \end{cases}

    One loss for batches that mix labelled and unlabelled images. It includes the supervised term, so set the trainer's
    ``supervised_weight=0``. It averages over samples, channels and positions. The label of an unlabelled sample is not
    read.

    Source: Owen et al., "Student becomes teacher", Biomedical Optics Express 12 (2021) 5387, for one logit per image,
    "abnormal" or "normal". This loss extends it to several classes and to segmentation, with a label per position.

    Args:
        softmax: True for a softmax head: p and q are softmax probabilities, each class against all others. Defaults to
            False, for sigmoid heads, whose channels are independent.

    Raises:
        ValueError: At the call, when the shapes do not fit, or when ``softmax`` is set and there is one channel.

    Example:
        >>> student, teacher = torch.tensor([[0.0], [0.0]]), torch.tensor([[9.0], [9.0]])
        >>> label, has_label = torch.tensor([0, 0]), torch.tensor([1, 0])  # the second label does not count
        >>> round(SoftLabelBCELoss()(student, teacher, label=label, has_label=has_label).item(), 4)  # log 2
        0.6931
    """

    compares = "the label, else teacher probabilities, by BCE"
    paper = "Owen 2021, some images unlabelled"
    uses = ("label", "has_label")

    def __init__(self, softmax: bool = False) -> None:
        super().__init__()
        self.softmax = softmax

    def extra_repr(self) -> str:
        return f"softmax={self.softmax}"

    @full_precision
    def forward(
        self, student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor, has_label: torch.Tensor
    ) -> torch.Tensor:
        """
        Args:
            student: logits, shape BN[HWD], or BN of a classifier.
            teacher: logits, the same shape; no gradient flows into them.
            label: class indices, shape B1[HWD] (or B, for a classifier); or one number from 0 to 1 for each logit, in
                the logits' shape. A position whose index is no class (an "ignore" label, for example) has no label.
            has_label: whether each sample has a label, shape B.
        """
        check_same_shape(student, teacher)
        teacher = teacher.detach()
        if self.softmax:
            student, teacher = one_against_rest(student), one_against_rest(teacher)
        target, known = _targets(label, student)
        known = known & _per_sample(has_label, student)
        return F.binary_cross_entropy_with_logits(student, torch.where(known, target, teacher.sigmoid()))


def _per_sample(has_label: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    if has_label.numel() != len(logits):
        raise ValueError(
            f"has_label has shape {tuple(has_label.shape)} for logits of shape {tuple(logits.shape)}. Give one number "
            f"for each of the {len(logits)} samples, as monai_kd.data.PooledDataset does."
        )
    return has_label.bool().reshape(-1, *[1] * (logits.ndim - 1))


def _targets(label: torch.Tensor, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The target for each logit, and where the label gives one."""
    if logits.ndim == 2 and label.ndim == 1:
        label = label[:, None]
    if label.shape == logits.shape:
        return label.to(logits.dtype), (label >= 0) & (label <= 1)
    if label.shape != (len(logits), 1, *logits.shape[2:]):
        raise ValueError(
            f"label has shape {tuple(label.shape)} for logits of shape {tuple(logits.shape)}. Give class indices of "
            f"shape {(len(logits), 1, *logits.shape[2:])}, or one number for each logit."
        )
    classes = torch.arange(logits.shape[1], device=label.device).reshape(-1, *[1] * (logits.ndim - 2))
    return (label == classes).to(logits.dtype), has_class(label, logits.shape[1])
