# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.layers import Pool
from torch import nn

from monai_kd.losses.parts.layer_lists import as_layers
from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_images

__all__ = ["FlowOfSolutionLoss"]


class FlowOfSolutionLoss(nn.Module):
    r"""
    Squared difference of FSP matrices, the products of two consecutive layers' features (flow of solution procedure).

    .. math:: \big\langle \langle (G^s_l - G^t_l)^2 \rangle_{n, i, j} \big\rangle_l, \qquad
              G_{l,ij} = \big\langle F_{l, i}\, F_{l+1, j} \big\rangle_\Omega

    The matrix :math:`G_l` says how channel :math:`i` of one listed layer and channel :math:`j` of the next are active
    together, averaged over the positions :math:`\Omega`. Student and teacher may differ in resolution. Where the two
    layers of one network differ in resolution, the finer is pooled to the coarser. The loss averages over samples and
    pairs of layers.

    Source: Yim et al., "A gift from knowledge distillation", CVPR 2017. The paper pools by the maximum, sums over the
    entries of a matrix (``sum_entries=True``), and trains in two stages: first by this loss alone, then by the labels
    alone. Later code (that of Tian et al., "Contrastive representation distillation", arXiv 1910.10699) pools by the
    mean (``max_pool=False``) and averages over the entries. The average is the default here, too, so that wide layers
    do not outweigh narrow ones.

    Args:
        max_pool: pool the finer map by its maximum, as in the paper; False pools by the mean. Defaults to True.
        sum_entries: sum over the entries of a matrix, as in the paper. Defaults to False: average.

    Raises:
        ValueError: At the call, when there are fewer than two layers, or a layer's batch, rank or channels differ
            between student and teacher.

    Example:
        >>> import torch
        >>> student = [torch.ones(1, 2, 4, 4), torch.ones(1, 3, 2, 2)]
        >>> teacher = [torch.ones(1, 2, 4, 4), 3 * torch.ones(1, 3, 2, 2)]
        >>> FlowOfSolutionLoss()(student, teacher).item()
        4.0
    """

    compares = "products of consecutive layers' features"
    paper = "FSP: Yim 2017"
    any_shape = True
    joint = True

    def __init__(self, max_pool: bool = True, sum_entries: bool = False) -> None:
        super().__init__()
        self.max_pool = max_pool
        self.sum_entries = sum_entries

    def extra_repr(self) -> str:
        return f"max_pool={self.max_pool}, sum_entries={self.sum_entries}"

    @full_precision
    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> torch.Tensor:
        """
        Args:
            student: features of two layers or more, in the order of the network, each of shape BNH[WD].
            teacher: as many features, each with the student's batch, channels N and rank, of any resolution; shape
                BNH[WD]. No gradient flows into them.
        """
        pairs = _check(student, teacher)
        terms = []
        for (s, t), (s_next, t_next) in pairwise(pairs):
            difference = self._flow(s, s_next) - self._flow(t, t_next)
            entries = difference[0].numel() if self.sum_entries else 1
            terms.append(entries * difference.square().mean())
        return torch.stack(terms).mean()

    def _flow(self, feature: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
        """FSP matrices, shape (B, channels of the feature, channels of the following)."""
        size = [min(sides) for sides in zip(feature.shape[2:], following.shape[2:], strict=True)]
        first, second = (self._pool(x, size).flatten(2) for x in (feature, following))
        return first @ second.mT / first.shape[2]

    def _pool(self, feature: torch.Tensor, size: list[int]) -> torch.Tensor:
        if list(feature.shape[2:]) == size:
            return feature
        kind = Pool.ADAPTIVEMAX if self.max_pool else Pool.ADAPTIVEAVG
        pooled: torch.Tensor = Pool[kind, feature.ndim - 2](size)(feature)
        return pooled


def _check(student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    if isinstance(student, torch.Tensor) or len(student) != len(teacher) or len(student) < 2:
        raise ValueError(
            f"FlowOfSolutionLoss compares pairs of consecutive layers, but got {len(student)} of the student and "
            f"{len(teacher)} of the teacher. Give two lists of the same length, with two layers or more."
        )
    pairs = as_layers(student, teacher)
    for i, (s, t) in enumerate(pairs):
        check_images(s, t, f"FlowOfSolutionLoss, in layer {i} of the list,")
        if s.shape[1] != t.shape[1]:
            adapter = f"ChannelAdapter(spatial_dims={s.ndim - 2}, in_channels={s.shape[1]}, out_channels={t.shape[1]})"
            raise ValueError(
                f"FlowOfSolutionLoss: in layer {i} of the list, student feature is {tuple(s.shape)} but teacher "
                f"feature is {tuple(t.shape)}. Channels must match: in the list of student_adapter, give "
                f"{adapter} there."
            )
    return pairs
