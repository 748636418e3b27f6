# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.layers import Conv, get_norm_layer
from torch import nn

from monai_kd.losses.parts.layer_lists import as_layers
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_images

__all__ = ["ReviewLoss"]

POOLED_SIZES = (4, 2, 1)


class ReviewLoss(nn.Module):
    r"""
    Distance between each level of the teacher and a fusion of the student's same and deeper levels (ReviewKD).

    .. math:: \sum_l \mathrm{HCL}(E_l(R_l),\ F^t_l), \qquad
              R_l = a_1 \odot W_l F^s_l + a_2 \odot \mathrm{up}(R_{l+1}), \qquad
              (a_1, a_2) = \sigma(V_l [W_l F^s_l, \mathrm{up}(R_{l+1})])

    :math:`W_l` is a 1-wide convolution to ``mid_channels``, :math:`E_l` a 3-wide one to the teacher's channels; a
    normalization follows each. :math:`V_l` is a 1-wide convolution to two attention maps; the deepest level has none.
    Their weights belong to this loss and are trained with the pathways. The hierarchical context loss of a level is

    .. math:: \mathrm{HCL}(a, b) = \frac{\sum_k 2^{-k} \langle (P_k a - P_k b)^2 \rangle}{\sum_k 2^{-k}}

    where :math:`P_0` is the identity and the others average-pool to 4, 2 and 1 positions along each axis; a pooling not
    smaller than the feature is left out. Levels are summed, as published. Student and teacher may differ in resolution:
    a fused feature is resized to the teacher's (nearest neighbour). Equal features do not give the minimum, because the
    fusion is between them.

    Source: Chen et al., "Distilling knowledge via knowledge review", CVPR 2021, arXiv 2104.09044, and its published
    code, which uses weight 1 by default (0.6 to 8 depending on the data set) after a linear warm-up of 20 epochs.

    Args:
        spatial_dims: 2 or 3.
        student_channels: channels of the student's levels, from shallow to deep.
        teacher_channels: channels of the teacher's levels, in the same order.
        mid_channels: channels of the fused features. Defaults to None: those of the student's deepest level, at most
            512, as published.
        norm: normalization, in MONAI's notation. Defaults to ``"batch"``, as published.

    Raises:
        ValueError: When the numbers of channels differ in length; at the call, when levels do not have these channels
            or are not ordered from shallow to deep, or a level has one value per channel, which cannot be normalized.

    Example:
        >>> loss = ReviewLoss(spatial_dims=2, student_channels=[2, 4], teacher_channels=[6, 8])
        >>> student = [torch.rand(2, 2, 8, 8), torch.rand(2, 4, 4, 4)]
        >>> loss(student, [torch.rand(2, 6, 8, 8), torch.rand(2, 8, 4, 4)]).shape
        torch.Size([])
    """

    compares = "features fused from deep levels to shallow ones"
    paper = "ReviewKD: Chen 2021"
    joint = True
    any_shape = True

    def __init__(
        self,
        spatial_dims: int,
        student_channels: Sequence[int],
        teacher_channels: Sequence[int],
        mid_channels: int | None = None,
        norm: str | tuple[str, dict[str, Any]] = "batch",
    ) -> None:
        super().__init__()
        if len(student_channels) != len(teacher_channels) or not student_channels:
            raise ValueError(
                f"ReviewLoss got student_channels={list(student_channels)} and teacher_channels="
                f"{list(teacher_channels)}. Give one number for each level of both, from shallow to deep."
            )
        mid = min(512, student_channels[-1]) if mid_channels is None else mid_channels
        self.spatial_dims = spatial_dims
        self.channels = list(zip(student_channels, teacher_channels, strict=True))
        self.fusions = nn.ModuleList(
            _Fusion(spatial_dims, channels, mid, norm, deepest=level == len(self.channels) - 1)
            for level, channels in enumerate(self.channels)
        )

    @full_precision
    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> torch.Tensor:
        """
        Args:
            student: features from shallow to deep, each of shape BNH[WD].
            teacher: features in the same order, each of shape BMH[WD]; no gradient flows into them.
        """
        pairs = as_layers(student, teacher)
        self._check(pairs)
        terms: list[torch.Tensor] = []
        fused: torch.Tensor | None = None
        for fusion, (feature, target) in reversed(list(zip(self.fusions, pairs, strict=True))):
            made, fused = fusion(feature, fused, target.shape[2:])
            terms.append(_hierarchical_context(made, target))
        return torch.stack(terms).sum()

    def _check(self, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        shapes = [(tuple(s.shape), tuple(t.shape)) for s, t in pairs]
        if [(s[1], t[1]) for s, t in shapes] != self.channels:
            raise ValueError(
                f"ReviewLoss was made for levels of (student, teacher) channels {self.channels}, but got features of "
                f"shapes {shapes}. Name the layers in the order of the channels, from shallow to deep."
            )
        for s, t in pairs:
            check_images(s, t, "ReviewLoss", self.spatial_dims)
        for above, below in pairwise(shapes):
            if any(deep > shallow for k in (0, 1) for deep, shallow in zip(below[k][2:], above[k][2:], strict=True)):
                raise ValueError(
                    f"ReviewLoss got levels of (student, teacher) shapes {shapes}, whose resolution grows. "
                    "Name the layers from shallow (high resolution) to deep."
                )
        for feature, _ in pairs:
            if self.training and feature.numel() == feature.shape[1]:
                raise ValueError(
                    f"ReviewLoss got a student feature of shape {tuple(feature.shape)}: one value per channel cannot "
                    "be normalized. Give a batch of two or more, larger images, or a shallower layer."
                )


class _Fusion(nn.Module):
    """Attention-based fusion (ABF): one level plus the fused deeper levels, with weights at every position."""

    def __init__(self, spatial_dims: int, channels: tuple[int, int], mid: int, norm: Any, deepest: bool) -> None:
        super().__init__()
        convolution = Conv[Conv.CONV, spatial_dims]
        narrow = convolution(channels[0], mid, kernel_size=1, bias=False)
        widen = convolution(mid, channels[1], kernel_size=3, padding=1, bias=False)
        for layer in (narrow, widen):
            nn.init.kaiming_uniform_(layer.weight, a=1)
        self.reduce = nn.Sequential(narrow, get_norm_layer(norm, spatial_dims, mid))
        self.attend = None if deepest else convolution(2 * mid, 2, kernel_size=1)
        self.expand = nn.Sequential(widen, get_norm_layer(norm, spatial_dims, channels[1]))

    def forward(
        self, feature: torch.Tensor, deeper: torch.Tensor | None, size: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The feature to compare with the teacher, at its size, and the fused feature for the next shallower level."""
        fused = self.reduce(feature)
        if self.attend is not None and deeper is not None:
            deeper = _resize(deeper, fused.shape[2:])
            own, other = self.attend(torch.cat([fused, deeper], dim=1)).sigmoid().split(1, dim=1)
            fused = own * fused + other * deeper
        fused = _resize(fused, size)
        return self.expand(fused), fused


def _resize(feature: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return feature if feature.shape[2:] == size else F.interpolate(feature, size=list(size), mode="nearest")


def _hierarchical_context(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    pool = F.adaptive_avg_pool3d if student.ndim == 5 else F.adaptive_avg_pool2d
    terms, weights = [F.mse_loss(student, teacher)], [1.0]
    for size in POOLED_SIZES:
        if size < min(student.shape[2:]):
            weights.append(weights[-1] / 2)
            terms.append(weights[-1] * F.mse_loss(pool(student, size), pool(teacher, size)))
    return torch.stack(terms).sum() / sum(weights)
