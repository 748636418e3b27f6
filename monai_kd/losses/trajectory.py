# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.gradient_bank import GradientBank
from monai_kd.losses.parts.precision import full_precision
from monai_kd.utils.processes import process_count, sum_of_all

__all__ = ["TrajectoryLoss"]


class TrajectoryLoss(nn.Module):
    r"""
    Squared difference of running means and variances of two sets of gradients, in the teacher's subspace (cross-domain
    stream of optimization trajectory distillation).

    .. math:: \mathrm{MSE}(\Pi_\mu \bar\mu^s, \Pi_\mu \bar\mu^t) + \mathrm{MSE}(\Pi_v \bar v^s, \Pi_v \bar v^t), \quad
              \mu = \langle g_n \rangle, \quad v = \langle (g_n - \mu)^2 \rangle, \quad
              \bar\mu \leftarrow m \bar\mu + (1 - m) \mu

    The running averages of both sides start at zero. The projections :math:`\Pi` come from two :class:`GradientBank`
    objects, of the teacher's :math:`\bar\mu` and :math:`\bar v`; until a bank is ready, :math:`\Pi` is the identity.
    The gradient of the loss flows through the newest mean and variance only. In distributed training mean and variance
    are taken over the samples of all processes, which need equal batch sizes, so all processes have the same averages
    and banks.

    Source: Fan et al., "Taxonomy adaptive cross-domain adaptation in medical imaging via optimization trajectory
    distillation", ICCV 2023, arXiv 2307.14709, at weight 1000; averages, banks, refills and energy are those of the
    authors' code, which does not detach the teacher.

    Args:
        length: numbers in each gradient, that is, weights of the layer.
        momentum: m, at least 0 and below 1. Defaults to 0.95.
        energy: share of the squared singular values that the subspaces keep. Defaults to 0.98.
        refills: the subspaces are computed again each time the banks were filled ``refills`` times. Defaults to 10.
        most: limit of the banks' size, which is 80 % of ``length``. Defaults to 300. The state has
            (4 · size + 4) · ``length`` numbers.
        both_ways: let gradients flow into the teacher's side too, as the authors' code does. Defaults to False.

    Raises:
        ValueError: When an argument is out of range; at the call, when shapes do not fit.

    Example:
        >>> loss = TrajectoryLoss(length=3, momentum=0.0)
        >>> loss(torch.ones(4, 3), torch.zeros(4, 3))
        tensor(1.)
    """

    student_average: torch.Tensor
    teacher_average: torch.Tensor

    def __init__(
        self,
        length: int,
        momentum: float = 0.95,
        energy: float = 0.98,
        refills: int = 10,
        most: int = 300,
        both_ways: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ValueError(
                f"momentum={momentum} must be from 0 to below 1: it is the weight of the old average. Try 0.95."
            )
        self.momentum, self.both_ways = momentum, both_ways
        self.register_buffer("student_average", torch.zeros(2, length))
        self.register_buffer("teacher_average", torch.zeros(2, length))
        self.banks = nn.ModuleList(GradientBank(length, most=most, energy=energy, refills=refills) for _ in range(2))

    def extra_repr(self) -> str:
        return f"momentum={self.momentum}, both_ways={self.both_ways}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: gradients of the samples in the domain to learn, shape (N, length).
            teacher: gradients of the samples in the domain to learn from, shape (M, length).
        """
        for side, gradients in (("student", student), ("teacher", teacher)):
            if gradients.ndim != 2 or gradients.shape[1] != self.student_average.shape[1] or not len(gradients):
                raise ValueError(
                    f"{side} gradients have shape {tuple(gradients.shape)}, expected "
                    f"(samples, {self.student_average.shape[1]}). Give one flat gradient for each sample."
                )
        student_now = self._updated(self.student_average, student)
        teacher_now = self._updated(self.teacher_average, teacher if self.both_ways else teacher.detach())
        terms = []
        banks = cast("Iterable[GradientBank]", self.banks)
        for bank, ours, theirs in zip(banks, student_now, teacher_now, strict=True):
            bank.push(theirs.detach())
            difference = ours - theirs
            projected = bank.project(difference) if bank.ready else difference
            terms.append(F.mse_loss(projected, torch.zeros_like(projected)))
        return torch.stack(terms).sum()

    def _updated(self, average: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        mean = _of_all_processes(gradients.mean(0))
        # The mean is detached: its part of the variance's gradient is zero over all samples, but not over one process.
        variance = _of_all_processes((gradients - mean.detach()).square().mean(0))
        now = self.momentum * average.to(gradients.dtype) + (1 - self.momentum) * torch.stack([mean, variance])
        average.copy_(now.detach())
        return now


def _of_all_processes(value: torch.Tensor) -> torch.Tensor:
    """
    The mean over all processes, with the gradient of this process.

    DistributedDataParallel averages gradients over processes, which then gives the gradient of the mean.
    """
    if process_count() == 1:
        return value
    total = sum_of_all(value.detach().clone())
    # In this order of operations the value is the same in all processes, to the last bit.
    return total / process_count() + (value - value.detach())
