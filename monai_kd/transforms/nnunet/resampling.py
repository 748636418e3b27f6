# SPDX-License-Identifier: Apache-2.0
"""
Volumes on another grid, as nnU-Net v2 resamples them by default.

The edges of both grids meet, whatever the rounding of the new shape does to the spacing. Where one axis is more than
three times as coarse as another, slices are resampled by themselves, and the nearest slice is taken along that axis.
MONAI's ``Spacing`` keeps the exact spacing instead and cannot treat one axis alone: its grid would differ by up to half
a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

__all__ = ["coarse_axis", "new_shape", "resample", "resample_labels"]

ANISOTROPY = 3.0


def new_shape(shape: Sequence[int], spacing: Sequence[float], target: Sequence[float]) -> tuple[int, ...]:
    """
    Voxels along each axis at another spacing.

    Args:
        shape: voxels along each axis.
        spacing: their distance in mm.
        target: the distance that is wanted, in mm.

    Example:
        >>> new_shape((10, 64, 64), (5.0, 1.0, 1.0), (2.5, 2.0, 2.0))
        (20, 32, 32)
    """
    return tuple(round(old / new * count) for old, new, count in zip(spacing, target, shape, strict=True))


def coarse_axis(spacing: Sequence[float], target: Sequence[float]) -> int | None:
    """
    The axis along which slices are too far apart to interpolate between them.

    Args:
        spacing: of the voxels there are, in mm.
        target: of those that are wanted, in mm.

    Returns:
        The axis; None where voxels are nearly cubes, or coarse along two axes.

    Example:
        >>> coarse_axis((5.0, 1.0, 1.0), (1.0, 1.0, 1.0)), coarse_axis((1.0, 1.0, 1.0), (2.0, 1.0, 1.0))
        (0, None)
    """
    for sides in (spacing, target):
        if max(sides) / min(sides) > ANISOTROPY:
            coarse = [axis for axis, side in enumerate(sides) if side == max(sides)]
            return coarse[0] if len(coarse) == 1 else None
    return None


def resample(data: NDArray, shape: Sequence[int], axis: int | None, order: int) -> NDArray:
    """
    Images or logits on another grid.

    Args:
        data: shape (C, D, H, W).
        shape: of the new grid, (D, H, W).
        axis: that :func:`coarse_axis` gives.
        order: of the splines: 3 for images, 1 for logits.

    Returns:
        The same type of numbers; the same array where the shape stays.
    """
    if tuple(data.shape[1:]) == tuple(shape):
        return data
    channels = [_resized(channel.astype(np.float64), shape, axis, order) for channel in data]
    return np.stack(channels).astype(data.dtype)


def resample_labels(label: NDArray, shape: Sequence[int], axis: int | None) -> NDArray:
    """
    A label map on another grid: each class is interpolated linearly by itself, and the largest one wins.

    Args:
        label: shape (1, D, H, W).
        shape: of the new grid, (D, H, W).
        axis: that :func:`coarse_axis` gives.

    Returns:
        The same type of numbers; the same array where the shape stays. Of two equal classes the one of the nearest
        voxel wins.
    """
    if tuple(label.shape[1:]) == tuple(shape):
        return label
    nearest = _resized(label[0].astype(np.float64), shape, axis, 0).astype(label.dtype)
    largest, of_nearest = np.full(shape, -1.0), np.zeros(shape)
    result = np.zeros(shape, dtype=label.dtype)
    for value in np.unique(label):
        share = _resized((label[0] == value).astype(np.float64), shape, axis, 1)
        wins, near = share > largest, nearest == value
        result[wins], largest[wins], of_nearest[near] = value, share[wins], share[near]
    return np.where(of_nearest >= largest, nearest, result)[None]


def _resized(volume: NDArray, shape: Sequence[int], axis: int | None, order: int) -> NDArray:
    if axis is None:
        return _zoomed(volume, shape, order)
    in_slice = [side for other, side in enumerate(shape) if other != axis]
    slices = [_zoomed(part, in_slice, order) for part in np.moveaxis(volume, axis, 0)]
    places = (np.arange(shape[axis]) + 0.5) * (len(slices) / shape[axis])
    nearest = np.clip(np.floor(places).astype(int), 0, len(slices) - 1)
    return np.moveaxis(np.stack(slices)[nearest], 0, axis)


def _zoomed(array: NDArray, shape: Sequence[int], order: int) -> NDArray:
    if tuple(array.shape) == tuple(shape):
        return array
    factors = [new / old for new, old in zip(shape, array.shape, strict=True)]
    result: NDArray = zoom(array, factors, order=order, mode="nearest", grid_mode=True)
    return np.clip(result, array.min(), array.max())  # splines overshoot
