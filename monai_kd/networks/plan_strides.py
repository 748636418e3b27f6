# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

__all__ = ["plan_strides"]

_SMALLEST = 2  # pixels that stay along each axis on the deepest level


def plan_strides(
    spatial_size: Sequence[int], spacing: Sequence[float] | None = None, levels: int = 5
) -> list[tuple[int, ...]]:
    """
    Strides of a U-Net's levels for thin volumes: coarse axes are halved once the others are as coarse.

    An axis is halved on a level if at least two pixels stay, and its spacing is at most twice the finest spacing among
    the axes that can be halved. This is the idea of nnU-Net's planning (Isensee et al., Nature Methods 2021).

    Args:
        spatial_size: of the patch, in pixels.
        spacing: of the patch's pixels, in millimeters. Defaults to None: all sides of the patch have the same length.
        levels: how many at most.

    Returns:
        1 or 2 for each axis of each level; fewer levels where nothing is left to halve.

    Raises:
        ValueError: When a size or spacing is not above 0, or they differ in number, or no axis can be halved.

    Example:
        >>> plan_strides((128, 128, 16))
        [(2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)]
    """
    size = list(spatial_size)
    if not size or min(size) < 1 or levels < 1:
        raise ValueError(f"spatial_size={spatial_size!r} and levels={levels}: expected numbers of 1 or more.")
    pitch = [max(size) / side for side in size] if spacing is None else list(spacing)
    if len(pitch) != len(size) or min(pitch) <= 0:
        raise ValueError(f"spacing={spacing!r}, expected {len(size)} numbers above 0.")
    strides = []
    for _ in range(levels):
        large = [axis for axis, side in enumerate(size) if (side + 1) // 2 >= _SMALLEST]
        if not large:
            break
        finest = min(pitch[axis] for axis in large)
        stride = tuple(2 if axis in large and pitch[axis] <= 2 * finest else 1 for axis in range(len(size)))
        size = [-(-side // step) for side, step in zip(size, stride, strict=True)]
        pitch = [length * step for length, step in zip(pitch, stride, strict=True)]
        strides.append(stride)
    if not strides:
        raise ValueError(f"spatial_size={spatial_size!r}: no axis has the 3 pixels that one level needs.")
    return strides
