# SPDX-License-Identifier: Apache-2.0
"""An adapter's output for a feature, in the feature's own precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from monai_kd.utils.messages import first_line, is_of_shapes

__all__ = ["adapt"]


def adapt(adapter: nn.Module, feature: torch.Tensor, **arguments: Any) -> torch.Tensor:
    """
    Run an adapter.

    Args:
        adapter: of (feature), with the arguments as keywords.
        feature: shape BNH[WD].
        arguments: what the adapter takes besides.

    Raises:
        ValueError: When the adapter was made for features of another shape.

    Example:
        >>> adapt(nn.Conv2d(4, 8, 1), torch.zeros(1, 4, 2, 2)).shape
        torch.Size([1, 8, 2, 2])
    """
    try:
        return _run(adapter, feature, arguments)
    except RuntimeError as error:
        if not is_of_shapes(error):
            raise
        raise ValueError(
            f"the adapter {type(adapter).__name__} cannot take a feature of shape {tuple(feature.shape)}: "
            f"{first_line(error)}. Make it for {feature.ndim - 2} spatial dimensions and {feature.shape[1]} input "
            "channels, or name another layer."
        ) from error


def _run(adapter: nn.Module, feature: torch.Tensor, arguments: dict[str, Any]) -> torch.Tensor:
    kind = feature.device.type
    if feature.dtype not in (torch.float16, torch.bfloat16) or torch.is_autocast_enabled(kind):
        return adapter(feature, **arguments)
    # An inferer ran the network in its own autocast, so the adapter runs in the same precision.
    with torch.autocast(kind, dtype=feature.dtype):
        return adapter(feature, **arguments)
