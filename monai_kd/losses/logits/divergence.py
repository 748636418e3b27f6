# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = ["softmax_divergence"]


def softmax_divergence(student: torch.Tensor, teacher: torch.Tensor, dim: int) -> torch.Tensor:
    r"""
    Kullback-Leibler divergence of softmax distributions, summed along their axis and averaged over everything else.

    .. math:: \big\langle \textstyle\sum_i p_i \log (p_i / q_i) \big\rangle, \qquad
              p = \mathrm{softmax}(\mathrm{teacher}),\ q = \mathrm{softmax}(\mathrm{student})

    Args:
        student: scores, of any shape.
        teacher: scores, the same shape.
        dim: the axis of the distribution.

    Example:
        >>> softmax_divergence(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), dim=1)
        tensor(0.3278)
    """
    if student.shape[dim] == 2:
        student, teacher = (second - first for first, second in (student.unbind(dim), teacher.unbind(dim)))
        p = teacher.sigmoid()
        return (_against(student, p) - _against(teacher, p)).mean()
    divergence = F.kl_div(student.log_softmax(dim), teacher.log_softmax(dim), reduction="sum", log_target=True)
    # torch's "batchmean" would divide by the batch alone and grow with the image.
    return divergence * student.shape[dim] / student.numel()


def _against(score: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of probability p and logit x, log (1 + exp x) - p x, at half the work of a softmax."""
    return F.softplus(score, threshold=30).addcmul(p, score, value=-1)
