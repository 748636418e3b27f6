# SPDX-License-Identifier: Apache-2.0
"""The position of a file's pixels in space, and labels in the pixel order of their images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from nibabel import orientations

__all__ = ["PICTURE", "on_grid_of", "on_picture"]

# A picture without geometry has its first pixel at the origin and its axes along left and posterior, as in ITK and 3D
# Slicer; MONAI's axes are right and anterior.
PICTURE = np.diag([-1.0, -1.0, 1.0, 1.0])
TINY = 1e-12
TOLERANCE = 0.1  # pixels, because programs round spacings to a few digits

Array = npt.NDArray[Any]

io_orientation: Any = orientations.io_orientation
apply_orientation: Any = orientations.apply_orientation
inv_ornt_aff: Any = orientations.inv_ornt_aff


class Grid(NamedTuple):
    """The length of each axis of a file, and its origin, spacing and direction in mm."""

    size: tuple[int, ...]
    origin: list[float]
    spacing: list[float]
    direction: npt.NDArray[np.float64]


def grid_of(size: Sequence[int], affine: Array) -> Grid:
    """The grid of an affine (4, 4) in MONAI's coordinates, with a third axis if the plane needs one."""
    to_itk = np.diag([-1.0, -1, 1, 1]) @ affine
    is_flat = len(size) == 2 and abs(np.linalg.det(to_itk[:2, :2])) > TINY
    axes = 2 if is_flat else 3
    columns = to_itk[:axes, :axes]
    spacing = np.linalg.norm(columns, axis=0)
    return Grid(
        (*size, 1)[:axes] if len(size) == 2 else tuple(size),
        to_itk[:axes, 3].tolist(),
        spacing.tolist(),
        columns / spacing,
    )


def on_axes(values: Array, size: tuple[int, ...]) -> Array:
    """
    Restore the axes of length 1 that reading an image's file removed; a frame's mask becomes one slice.

    Args:
        values: the mask, (W, H[, D]).
        size: the lengths of the file's axes.

    Example:
        >>> on_axes(np.zeros((40, 30)), (40, 30, 1)).shape, on_axes(np.zeros((40, 30)), (40, 30, 9)).shape
        ((40, 30, 1), (40, 30, 1))
    """
    if values.size == math.prod(size):
        return values.reshape(size)
    return values.reshape(*values.shape, *[1] * (len(size) - values.ndim))


def on_grid_of(values: Array, affine: Array, shape: Sequence[int], wanted: Array) -> Array | None:
    """
    Turn a label with mirrored or swapped axes onto its image's grid.

    Args:
        values: the label, shape (W, H[, D]).
        affine: of the label, (4, 4).
        shape: of the image.
        wanted: affine of the image, (4, 4).

    Returns:
        The label in the image's pixel order, or ``values`` itself if nothing had to be turned; None if the two grids
        differ in size, spacing, angle or position.

    Example:
        >>> mirrored = np.array([[-1.0, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        >>> on_grid_of(np.array([[1], [0], [0]]), mirrored, (3, 1), np.eye(4)).ravel()
        array([0, 0, 1])
        >>> on_grid_of(np.array([[1], [0], [0]]), np.diag([2.0, 2, 2, 1]), (3, 1), np.eye(4)) is None
        True
    """
    flat = len(shape) == 2
    if flat:  # a picture has no thickness, so only its plane counts
        affine, wanted = _flat(affine), _flat(wanted)
    sides = (*shape, 1)[:3]
    volume = values.reshape((*values.shape, 1)[:3])
    if not (_is_sound(affine) and _is_sound(wanted)):
        return None
    to_image = np.linalg.solve(wanted, affine)
    turn = io_orientation(to_image)
    if np.isnan(turn).any():
        return None
    turned: Array = apply_orientation(volume, turn)
    after = to_image @ inv_ornt_aff(turn, volume.shape)
    if turned.shape != sides or not _same_place(after, sides, flat):
        return None
    return values if np.array_equal(turn, [[0, 1], [1, 1], [2, 1]]) else turned.reshape(tuple(shape))


def on_picture(values: Array, affine: Array, shape: Sequence[int]) -> Array | None:
    """
    Like :func:`on_grid_of`, for a picture, which has neither spacing nor position.

    Programs choose its axes differently: to the left and back (ITK, 3D Slicer), or to the right and front (NIfTI files
    with the unit matrix). The label's spacing is used for the picture. If its axes are turned, its position shows which
    of the two was meant.

    Args:
        values: the label, shape (W, H[, D]).
        affine: of the label, (4, 4).
        shape: of the picture, (W, H).
    """
    if not _is_sound(affine):
        return None
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    turn = io_orientation(affine)
    if np.isnan(turn).any():
        return None
    scaled = np.array(affine, dtype=float)
    for axis, (world, _) in enumerate(turn):
        scaled[int(world)] /= spacing[axis]
    for wanted in (PICTURE, np.eye(4)):
        turned = on_grid_of(values, scaled, shape, wanted)
        if turned is not None:
            return turned
    for wanted in (PICTURE, np.eye(4)):  # at another position, but not turned
        moved = scaled.copy()
        moved[:3, 3] = 0.0
        if on_grid_of(values, moved, shape, wanted) is values:
            return values
    return None


def _is_sound(affine: Array) -> bool:
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine)) > 0)


def _flat(affine: Array) -> Array:
    """The affine with a third axis of length 1, perpendicular to the picture."""
    flat = np.array(affine, dtype=float)
    normal = np.cross(flat[:3, 0], flat[:3, 1])
    side = np.dot(normal, flat[:3, 2])
    flat[:3, 2] = normal / (np.linalg.norm(normal) or 1.0) * (-1 if side < 0 else 1)
    return flat


def _same_place(after: Array, sides: Sequence[int], flat: bool) -> bool:
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in sides], indexing="ij")).reshape(3, -1)
    moved = after[:3, :3] @ corners + after[:3, 3:]
    away = np.abs(moved - corners)[: 2 if flat else 3]
    # Compare the step along each axis too: an axis of one pixel has no second corner.
    steps = np.abs(after[:3, :3] - np.eye(3)) * np.maximum(np.array(sides) - 1, 1)
    return bool(away.max() < TOLERANCE and steps[: 2 if flat else 3].max() < TOLERANCE)
