# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_same_batch, check_temperature
from monai_kd.losses.parts.unit_vectors import unit_vectors

__all__ = ["ContrastiveRepresentationLoss"]


class ContrastiveRepresentationLoss(nn.Module):
    r"""
    Whether the student's code of an image is nearest to the teacher's code of the same image, among those of others
    (CRD).

    .. math:: -\Big\langle \log h(t_i, s_i) + \textstyle\sum_{j=1}^{K} \log (1 - h(t_j, s_i)) \Big\rangle_i
              \ + \ (s \leftrightarrow t), \qquad
              h(t, s) = \frac{e^{t \cdot s / \tau}}{e^{t \cdot s / \tau} + Z}

    Features are averaged over their positions and mapped by a learned linear layer each to a code of unit length. The
    :math:`K` others are the last images' codes, from memories that are saved with the pathways. :math:`Z` is
    :math:`K` times the mean of :math:`e^{t \cdot s / \tau}` in the first step. The layers are trained: give the
    pathways to the optimizer. Nothing is remembered in evaluation mode.

    Source: Tian, Krishnan and Isola, "Contrastive representation distillation", ICLR 2020, arXiv 1910.10699, at the
    weight 0.8. The authors draw the others from a memory of the whole data set by index, and average the codes of an
    image over epochs; here the memory holds the last images as they were, so that augmented and unlabelled images need
    no index. An image of a segmentation task is one code: use it on a deep layer, beside a loss that compares places.

    Args:
        channels: of both features; a student's other channels need an adapter, such as ``ChannelAdapter``.
        code: length of a code. Defaults to 128.
        temperature: divisor of the cosines, above 0. Defaults to 0.07.
        memory: how many images' codes are kept. Defaults to 1024; the first steps compare with those there are.

    Raises:
        ValueError: When an argument is out of range; at the call, when the batches differ, or channels do.

    Example:
        >>> loss = ContrastiveRepresentationLoss(channels=8)
        >>> loss(torch.rand(6, 8, 5, 5), torch.rand(6, 8, 3, 3)).shape, int(loss.remembered)
        (torch.Size([]), 6)
    """

    any_shape = True
    compares = "codes of whole images, against those of other images"
    paper = "CRD: Tian 2020"
    student_codes: torch.Tensor
    teacher_codes: torch.Tensor
    remembered: torch.Tensor
    constants: torch.Tensor

    def __init__(
        self,
        channels: int,
        code: int = 128,
        temperature: float = 0.07,
        memory: int = 1024,
    ) -> None:
        super().__init__()
        if min(channels, code, memory) < 1:
            raise ValueError(
                f"ContrastiveRepresentationLoss(channels={channels}, code={code}, memory={memory}): expected 1 or more."
            )
        check_temperature(temperature)
        self.temperature = temperature
        self.student_code = nn.Linear(channels, code)
        self.teacher_code = nn.Linear(channels, code)
        self.register_buffer("student_codes", torch.zeros(memory, code))
        self.register_buffer("teacher_codes", torch.zeros(memory, code))
        self.register_buffer("remembered", torch.zeros((), dtype=torch.long))
        self.register_buffer("constants", torch.zeros(2))

    def extra_repr(self) -> str:
        """The arguments that are not modules."""
        return f"temperature={self.temperature}, memory={len(self.student_codes)}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape (B, channels, H, W[, D]).
            teacher: feature of the same batch, shape (B, channels, H, W[, D]), of any size; no gradient flows
                into it.
        """
        check_same_batch(student, teacher)
        self._check_channels(student, teacher)
        student = self._coded(self.student_code, student)
        teacher = self._coded(self.teacher_code, teacher.detach())
        value = self._term(student, teacher, self.teacher_codes, 0) + self._term(
            teacher, student, self.student_codes, 1
        )
        if self.training and torch.is_grad_enabled():
            self._remember(student, teacher)
        return value

    def _coded(self, layer: nn.Linear, feature: torch.Tensor) -> torch.Tensor:
        pooled = feature.flatten(2).mean(2) if feature.ndim > 2 else feature
        return unit_vectors(torch.nn.functional.linear(pooled, layer.weight.to(pooled), layer.bias.to(pooled)), dim=1)

    def _term(self, anchor: torch.Tensor, positive: torch.Tensor, memory: torch.Tensor, side: int) -> torch.Tensor:
        """Each anchor against its own code and all others: those of the batch and those remembered."""
        same = (anchor * positive).sum(1, keepdim=True) / self.temperature
        batch = anchor @ positive.T / self.temperature
        # A copy: the memory changes before the backward pass needs it.
        old = anchor @ memory.to(anchor, copy=True).T / self.temperature
        is_other = ~torch.eye(len(anchor), dtype=torch.bool, device=anchor.device)
        is_kept = torch.arange(len(memory), device=anchor.device) < self.remembered
        scores = torch.cat([batch, old], dim=1)
        counted = torch.cat([is_other, is_kept.expand(len(anchor), -1)], dim=1)
        log_z = self._constant(scores.detach(), counted, side)
        others = -torch.nn.functional.softplus(scores - log_z) * counted
        return -(torch.nn.functional.logsigmoid(same - log_z).squeeze(1) + others.sum(1)).mean()

    def _constant(self, scores: torch.Tensor, counted: torch.Tensor, side: int) -> torch.Tensor:
        """The logarithm of Z: of the first step's mean score, and of how many others there are now."""
        count = counted.sum(1).float().mean().clamp_min(1)
        mean = torch.where(counted, scores, -torch.inf).logsumexp(1).mean() - count.log()
        mean = torch.where(mean.isfinite(), mean, 0.0)
        first = self.remembered == 0
        constant = torch.where(first, mean, self.constants[side].to(mean))
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self.constants[side].copy_(constant)
        return constant + count.log()

    @torch.no_grad()
    def _remember(self, student: torch.Tensor, teacher: torch.Tensor) -> None:
        size = len(self.student_codes)
        places = (self.remembered + torch.arange(len(student), device=student.device)) % size
        self.student_codes[places] = student.detach().to(self.student_codes)
        self.teacher_codes[places] = teacher.detach().to(self.teacher_codes)
        self.remembered += len(student)

    def _check_channels(self, student: torch.Tensor, teacher: torch.Tensor) -> None:
        channels = self.teacher_code.in_features
        if (student.shape[1], teacher.shape[1]) != (channels, channels):
            raise ValueError(
                f"ContrastiveRepresentationLoss has channels={channels}, but the features are {tuple(student.shape)} "
                f"and {tuple(teacher.shape)}. Give the teacher's channels, and the student a ChannelAdapter."
            )
