# SPDX-License-Identifier: Apache-2.0
"""The sizes of images that a network takes besides the one that its bundle names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["FIXED", "side_steps"]

FIXED = 0
STEPS = (1, 2, 4, 8, 16, 32)
LEAST = 32  # pixels; a smaller image may be too small for a network's deepest level


def side_steps(network: nn.Module, shape: Sequence[int]) -> list[int]:
    """
    Numbers, the least restricting first, so that each side of the image may be any of their multiples.

    They are found by running the network. The first is the smallest with which it runs at all. Some networks do
    something else with other multiples than powers of two, and cannot be exported for all of them in one graph: the
    second is the largest power of two that divides the given sides.

    Args:
        network: takes pre-processed images.
        shape: of an image that the network takes, (B, C, W, H[, D]).

    Returns:
        One or two numbers; none if the network takes no other size.

    Example:
        >>> side_steps(nn.Conv2d(1, 2, 3, padding=1), (1, 1, 48, 48)), side_steps(nn.Flatten(), (1, 1, 7, 7))
        ([1, 16], [1])
        >>> side_steps(nn.Sequential(nn.Flatten(), nn.Linear(49, 2)), (1, 1, 7, 7))
        []
    """
    steps = [step for step in STEPS if all(side % step == 0 for side in shape[2:])]
    least = next((step for step in steps if _runs(network, shape, step)), None)
    return [] if least is None else sorted({least, steps[-1]})


def _runs(network: nn.Module, shape: Sequence[int], step: int) -> bool:
    """Whether a network runs on odd multiples of a number, which are not the same on all axes."""
    odd = max(3, LEAST // step | 1)
    sides = [step * (odd + 2 * (axis % 2)) for axis in range(len(shape) - 2)]
    try:
        with torch.no_grad():
            network(torch.zeros(1, shape[1], *sides))
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
        return False
    return True
