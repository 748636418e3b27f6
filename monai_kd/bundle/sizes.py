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

    Raises:
        ValueError: When it is nothing of these.

    Example:
        >>> possible_size([48, "*", "32*n"])
        (48, 64, 64)
    """
    for power in range(1, 8):
        size: tuple[int, ...] = _get_fake_spatial_shape(shape, p=power, n=power, any=FREE)
        if all(side >= FREE for side, given in zip(size, shape, strict=True) if isinstance(given, str)):
            break
    return size
