# SPDX-License-Identifier: Apache-2.0
"""The size of the images that a bundle's network takes."""

from __future__ import annotations

from collections.abc import Sequence

from monai.bundle.scripts import _get_fake_spatial_shape

__all__ = ["possible_size"]

FREE = 64  # a side that the metadata leaves open


def possible_size(shape: Sequence[int | str]) -> tuple[int, ...]:
    """
    A size that the metadata's ``spatial_shape`` allows; open sides are the smallest of at least 64.

    Args:
        shape: a number, ``"*"`` or such as ``"32*n"`` and ``"2**p"`` for each axis.

    Returns:
        Pixels along each axis.

    Raises:
        ValueError: When it is nothing of these.

    Example:
        >>> possible_size([48, "*", "32*n"]), possible_size(["8*n", "2**p"])
        ((48, 64, 64), (64, 64))
    """
    return tuple(_side(side) for side in shape)


def _side(given: int | str) -> int:
    side = 0
    for factor in range(1, FREE + 1):
        (side,) = _get_fake_spatial_shape([given], p=factor, n=factor, any=FREE)
        if side >= FREE or isinstance(given, int):
            break
    return side
