# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.precision import full_precision
from monai_kd.losses.parts.shape_checks import check_positions
from monai_kd.losses.parts.unit_vectors import magnitude, unit_vectors

__all__ = ["AttentionTransferLoss"]

_FAINTEST = 1e-30


def _attention(feature: torch.Tensor, exponent: float, size: list[int]) -> torch.Tensor:
    """Attention map of each sample as a vector of unit length, shape (B, positions)."""
    if exponent > 4:  # with smaller exponents, float32 holds the powers of all values from 1e-7 to 1e9
        feature = feature / magnitude(feature)
    attention = feature.abs().pow(exponent).mean(dim=1, keepdim=True)
    attention = F.interpolate(attention, size=size, mode="area").flatten(1)
    # The result does not depend on the scale, but squares of high powers leave the range of float32.
    largest = attention.detach().amax(dim=1, keepdim=True).clamp_min(_FAINTEST)
    return unit_vectors(attention / largest, dim=1)


class AttentionTransferLoss(nn.Module):
    r"""
    Squared difference of attention maps, which show where a feature is active in any channel (AT, activation-based).

    .. math:: \Big\langle \Big( \frac{Q^s}{\lVert Q^s \rVert_2} - \frac{Q^t}{\lVert Q^t \rVert_2} \Big)^2 \Big\rangle,
              \qquad Q = \mathrm{vec} \langle |F_c|^p \rangle_c

    The attention map :math:`Q` of a sample is the mean over its channels. Channels may differ, and where resolutions
    differ, the larger map is averaged to the size of the smaller: no adapter is needed. The sign and scale of a feature
    and the order of its channels change nothing.

    Source: Zagoruyko and Komodakis, "Paying more attention to attention", ICLR 2017, arXiv 1612.03928. The default is
    the loss of the authors' code: a mean of squares over samples and positions, at weight 1e3, summed over the layers.
    It is smooth, and its value falls as one over the number of positions, because the entries of a longer unit vector
    are smaller. The paper writes a norm for each sample and layer, :math:`\frac{\beta}{2} \lVert \cdot \rVert_2`. That
    is ``squared=False``: it is averaged over samples, does not depend on the number of positions, and takes
    :math:`\beta / 2` as the pathway's weight. The paper's :math:`\beta` is about 0.1: 1e3 divided by the number of
    positions and by the batch size.

    Args:
        exponent: :math:`p`, 1 or more; the larger, the more only the strongest activations count. Defaults to 2.0.
            EMKD (Qin et al., TMI 2021) uses 4.
        squared: True for the mean of squares of the authors' code, the default; False for the paper's norm.
        summed: sum the squares over the positions, as the code of EMKD does; the value then does not depend on their
            number. Defaults to False. It has no effect on the norm.

    Raises:
        ValueError: When ``exponent`` is below 1 (the gradient would be infinite at 0); at the call, when batches or
            ranks differ, or when a map has one position (at unit length it is always 1).

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]], [[0.0, -3.0]]]])
        >>> AttentionTransferLoss()(left, right).item()
        1.0
        >>> round(AttentionTransferLoss(squared=False)(left, right).item(), 4)
        1.4142
    """

    compares = "where features are active, over all channels"
    paper = "AT: Zagoruyko and Komodakis 2017"
    any_shape = True

    def __init__(self, exponent: float = 2.0, squared: bool = True, summed: bool = False) -> None:
        super().__init__()
        if not exponent >= 1:
            raise ValueError(f"exponent must be 1 or more, got {exponent}. The paper has 1 and 2.")
        self.exponent = exponent
        self.squared = squared
        self.summed = summed

    def extra_repr(self) -> str:
        return f"exponent={self.exponent}, squared={self.squared}, summed={self.summed}"

    @full_precision
    def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """
        Args:
            student: feature, shape BNH[WD].
            teacher: feature, shape BMH[WD], of any channels and resolution; no gradient flows into it.
        """
        check_positions(student, teacher, "AttentionTransferLoss")
        size = [min(sides) for sides in zip(student.shape[2:], teacher.shape[2:], strict=True)]
        maps = [_attention(feature, self.exponent, size) for feature in (student, teacher.detach())]
        if self.squared:
            return F.mse_loss(maps[0], maps[1]) * (maps[0].shape[1] if self.summed else 1)
        return torch.linalg.vector_norm(maps[0] - maps[1], dim=1).mean()
