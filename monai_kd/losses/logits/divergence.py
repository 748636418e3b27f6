# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

__all__ = ["softmax_divergence", "two_class_divergence", "two_class_score"]


def softmax_divergence(student: torch.Tensor, teacher: torch.Tensor, dim: int) -> torch.Tensor:
    r"""
    Kullback-Leibler divergence of softmax distributions, summed along their axis and averaged over everything else.

    .. math:: \big\langle \textstyle\sum_i p_i \log (p_i / q_i) \big\rangle, \qquad
              p = \mathrm{softmax}(\mathrm{teacher}),\ q = \mathrm{softmax}(\mathrm{student})

    Args:
        student: scores, of any shape.
        teacher: scores, the same shape, into which no gradient flows.
        dim: the axis of the distribution.

    Example:
        >>> softmax_divergence(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), dim=1)
        tensor(0.3278)
    """
    if student.shape[dim] == 2:
        return two_class_divergence(student.movedim(dim, 1), two_class_score(teacher.movedim(dim, 1)))
    value: torch.Tensor = _Divergence.apply(student, teacher.detach(), dim)[0]  # type: ignore[no-untyped-call]
    return value


def two_class_score(logits: torch.Tensor) -> torch.Tensor:
    """
    All that a softmax over two classes depends on: the second logit minus the first.

    Args:
        logits: shape B2H[WD].

    Returns:
        Shape B1H[WD].
    """
    return logits[:, 1:] - logits[:, :1]


def two_class_divergence(student: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    r"""
    :func:`softmax_divergence` of two classes, at half the work of a softmax, forward and backward.

    .. math:: \big\langle \zeta(s) - \zeta(t) - p\,(s - t) \big\rangle, \qquad \zeta(x) = \log(1 + e^x),\ p = \zeta'(t)

    Args:
        student: logits, shape B2H[WD]; their score is s.
        score: t, the teacher's :func:`two_class_score`, shape B1H[WD]; no gradient flows into it.

    Example:
        >>> two_class_divergence(torch.zeros(1, 2), torch.tensor([[-2.0]]))
        tensor(0.3278)
    """
    value: torch.Tensor = _TwoClassDivergence.apply(student, score.detach())  # type: ignore[no-untyped-call]
    return value


class _Divergence(torch.autograd.Function):
    """The derivative in one step, the difference of probabilities; autograd needs twice the passes over the image."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        student: torch.Tensor, teacher: torch.Tensor, dim: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        own, given = student.log_softmax(dim), teacher.log_softmax(dim)
        p = given.exp()
        # torch's "batchmean" would divide by the batch alone and grow with the image.
        return (given - own).mul_(p).sum() * (student.shape[dim] / student.numel()), own, p

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(inputs[0], *output[1:])
        ctx.dim = inputs[2]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> tuple[torch.Tensor, None, None]:
        student, own, p = ctx.saved_tensors
        # A derivative of the derivative needs the way from the student.
        q = student.softmax(ctx.dim) if torch.is_grad_enabled() else own.exp()
        return (q - p) * (gradient * (student.shape[ctx.dim] / student.numel())), None, None


class _TwoClassDivergence(torch.autograd.Function):
    """The derivative in one step, the difference of probabilities; autograd needs six passes over the image."""

    generate_vmap_rule = True

    @staticmethod
    def forward(student: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        own = two_class_score(student)
        difference = F.softplus(own, threshold=30) - F.softplus(score, threshold=30)
        return difference.sub_((own - score).mul_(score.sigmoid())).mean()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        student, score = ctx.saved_tensors
        slope = (two_class_score(student).sigmoid() - score.sigmoid()) * (gradient / score.numel())
        return torch.cat([-slope, slope], dim=1), None
