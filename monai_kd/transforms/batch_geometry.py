# SPDX-License-Identifier: Apache-2.0
"""Random geometry of a whole batch, drawn for each sample; parameters as in MONAI's transforms of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from monai.utils import ensure_tuple, ensure_tuple_rep

from monai_kd.transforms.geometry import from_pixels

__all__ = ["BatchGeometry", "BatchRandAffine", "BatchRandFlip", "BatchRandScaleCrop", "Range"]

Range = float | Sequence[float | Sequence[float]]


class BatchGeometry(Protocol):
    """
    What :class:`View` calls to draw the geometry of a batch; write your own for what is missing here.

    Example:
        >>> def still(count, spatial_size, generator):  # a function will do
        ...     return torch.eye(len(spatial_size), len(spatial_size) + 1).repeat(count, 1, 1)
        >>> still(16, (224, 224), torch.Generator()).shape
        torch.Size([16, 2, 3])
    """

    def __call__(self, count: int, spatial_size: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        """
        Draw the geometry of the next batch.

        Args:
            count: number of samples.
            spatial_size: of the images, in pixels.
            generator: source of the random numbers; on the CPU, so that all devices see the same views.

        Returns:
            A geometry, shape (count, d, d+1), as in :mod:`monai_kd.transforms.geometry`.
        """


@dataclass(frozen=True)
class BatchRandAffine:
    r"""
    Random rotation, shift and scale: MONAI's ``RandAffine`` for a whole batch.

    .. math:: p_\mathrm{source} = R\,(S\,p_\mathrm{view} + t)

    As in MONAI, a range is given for each axis: a number f means (-f, f), a pair is the range itself. Axes without a
    range stay as they are, so **a single number concerns the first axis only**.

    Args:
        prob: share of the samples that are changed, 0 to 1.
        rotate_range: in radians; one angle in 2D, up to three (about the axes in order) in 3D.
        translate_range: in pixels.
        scale_range: the scale is 1 plus this number; above 1, objects become smaller.

    Raises:
        ValueError: At the call, when a range has more entries than there are axes, or an entry is not a range.

    Example:
        >>> draw = BatchRandAffine(prob=1.0, rotate_range=0.3, scale_range=[0.2, 0.2])
        >>> draw(16, (224, 224), torch.Generator().manual_seed(0)).shape
        torch.Size([16, 2, 3])
    """

    prob: float = 0.1
    rotate_range: Range = ()
    translate_range: Range = ()
    scale_range: Range = ()

    def __call__(self, count: int, spatial_size: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        """Draw the geometry; see :class:`BatchGeometry`."""
        dims = len(spatial_size)
        chosen = _chosen(count, self.prob, generator)
        angles = chosen * _uniform("rotate_range", self.rotate_range, count, 1 if dims == 2 else 3, generator)
        shift = chosen * _uniform("translate_range", self.translate_range, count, dims, generator)
        scale = 1 + chosen * _uniform("scale_range", self.scale_range, count, dims, generator)
        rotation = _rotation(angles, dims)
        return from_pixels(rotation * scale[:, None], (rotation @ shift[..., None])[..., 0], spatial_size)


@dataclass(frozen=True)
class BatchRandFlip:
    """
    Random mirroring: MONAI's ``RandFlip`` for a whole batch.

    Args:
        prob: share of the samples that are mirrored, 0 to 1.
        spatial_axis: indices of the axes to mirror; in MONAI's index order, axis 0 of a picture is its width. Defaults
            to all axes.

    Example:
        >>> BatchRandFlip(prob=1.0, spatial_axis=0)(1, (8, 8), torch.Generator())
        tensor([[[ 1.,  0.,  0.],
                 [ 0., -1.,  0.]]])
    """

    prob: float = 0.1
    spatial_axis: int | Sequence[int] | None = None

    def __call__(self, count: int, spatial_size: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        """Draw the geometry; see :class:`BatchGeometry`."""
        dims = len(spatial_size)
        sign = torch.ones(count, dims, dtype=torch.float64)
        axes = range(dims) if self.spatial_axis is None else ensure_tuple(self.spatial_axis)
        sign[:, list(axes)] -= 2 * _chosen(count, self.prob, generator)
        return from_pixels(torch.diag_embed(sign), torch.zeros_like(sign), spatial_size)


@dataclass(frozen=True)
class BatchRandScaleCrop:
    """
    Random crop, resized to the size of the whole image: MONAI's ``RandScaleCrop`` and ``Resize`` for a whole batch.

    Side lengths and position of the crop are drawn continuously, so they need not be whole pixels.

    Args:
        roi_scale: the smallest share of each side that is kept, above 0; a list gives one for each axis.
        max_roi_scale: the largest share. Defaults to 1, the whole image.

    Raises:
        ValueError: At the call, unless 0 < roi_scale <= max_roi_scale <= 1.

    Example:
        >>> crops = BatchRandScaleCrop(roi_scale=0.5, max_roi_scale=0.5)(4, (8, 8), torch.Generator())
        >>> crops[:, 0, 0]
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """

    roi_scale: float | Sequence[float]
    max_roi_scale: float | Sequence[float] | None = None

    def __call__(self, count: int, spatial_size: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        """Draw the geometry; see :class:`BatchGeometry`."""
        dims = len(spatial_size)
        low = ensure_tuple_rep(self.roi_scale, dims)
        high = ensure_tuple_rep(1.0 if self.max_roi_scale is None else self.max_roi_scale, dims)
        if not all(0 < a <= b <= 1 for a, b in zip(low, high, strict=True)):
            raise ValueError(
                f"roi_scale={self.roi_scale} and max_roi_scale={self.max_roi_scale} are not shares of an image's "
                "sides. Give 0 < roi_scale <= max_roi_scale <= 1, such as roi_scale=0.8."
            )
        share = _uniform("roi_scale", list(zip(low, high, strict=True)), count, dims, generator)
        place = _uniform("roi_center", [1.0] * dims, count, dims, generator)
        # The crop's center may move away from the image's center by half of what is cut off.
        shift = place * (1 - share) * torch.tensor(list(spatial_size)) / 2
        return from_pixels(torch.diag_embed(share), shift, spatial_size)


def _chosen(count: int, prob: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(count, 1, generator=generator, dtype=torch.float64) < prob).double()


def _uniform(name: str, ranges: Range, count: int, entries: int, generator: torch.Generator) -> torch.Tensor:
    """Uniform random numbers, shape (count, entries), float64; zero where no range is given."""
    pairs = [(-f, f) if isinstance(f, (int, float)) else tuple(f) for f in ensure_tuple(ranges)]
    if len(pairs) > entries or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"{name}={ranges} is not a range for {entries} axes. Give up to {entries} entries, each a number f for "
            "(-f, f) or a pair (low, high)."
        )
    pairs += [(0.0, 0.0)] * (entries - len(pairs))
    low, high = torch.tensor(pairs, dtype=torch.float64).T
    return low + (high - low) * torch.rand(count, entries, generator=generator, dtype=torch.float64)


def _rotation(angles: torch.Tensor, spatial_dims: int) -> torch.Tensor:
    """Rotation about each axis in order; in 2D there is one angle."""
    planes = [(0, 1)] if spatial_dims == 2 else [(1, 2), (2, 0), (0, 1)]
    rotation = torch.eye(spatial_dims, dtype=angles.dtype).repeat(len(angles), 1, 1)
    for (i, j), angle in zip(planes, angles.T, strict=True):
        turn = torch.eye(spatial_dims, dtype=angles.dtype).repeat(len(angles), 1, 1)
        turn[:, i, i] = turn[:, j, j] = angle.cos()
        turn[:, j, i] = angle.sin()
        turn[:, i, j] = -angle.sin()
        rotation = rotation @ turn
    return rotation
