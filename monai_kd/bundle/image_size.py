# SPDX-License-Identifier: Apache-2.0
"""The size of the images that a bundle's network takes."""

from __future__ import annotations

from collections.abc import Sequence

from monai.bundle.scripts import _get_fake_spatial_shape

__all__ = ["possible_size"]

FREE = 64  # smallest side where the metadata leave it open


def possible_size(shape: Sequence[int | str]) -> tuple[int, ...]:
    """
    A size in pixels that the metadata's ``spatial_shape`` allows; open sides are at least 64.

    Args:
        shape: for each axis a number, ``"*"``, or an expression such as ``"32*n"`` or ``"2**p"``.

    Raises:
        ValueError: When a side is none of these.

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
