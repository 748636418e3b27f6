# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = ["position_mask"]


def position_mask(mask: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
    """
    The batch's mask as booleans on the grid of a feature, by nearest neighbor.

    Args:
        mask: not 0 at the positions that count, shape B1H[WD], at any resolution.
        feature: shape BNH[WD].

    Returns:
        Shape B1H[WD].

    Raises:
        ValueError: When the mask has another shape.

    Example:
        >>> position_mask(torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]]), torch.zeros(1, 3, 1, 2))
        tensor([[[[ True, False]]]])
    """
    if mask.ndim != feature.ndim or mask.shape[0] != feature.shape[0] or mask.shape[1] != 1 or mask.ndim < 3:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)} for a feature of shape {tuple(feature.shape)}. Give a mask of shape "
            f"({feature.shape[0]}, 1, ...), with as many spatial axes, not 0 at the positions that count."
        )
    if mask.shape[2:] != feature.shape[2:]:
        mask = F.interpolate(mask.float(), size=list(feature.shape[2:]), mode="nearest-exact")
    return mask != 0
