# SPDX-License-Identifier: Apache-2.0
r"""
Affine geometry of a whole batch; each sample has its own.

A geometry is a tensor ``theta``, float32, shape (B, d, d+1), in the form of ``torch.nn.functional.affine_grid`` with
``align_corners=False``: it maps coordinates of a *view* to coordinates of the *source image*, :math:`x_\mathrm{source}
= A x_\mathrm{view} + b`. Coordinates run from -1 to 1 between the outer edges of an image, **the last spatial axis
first**.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F

__all__ = ["compose", "from_pixels", "identity", "inside", "invert", "warp", "warp_where_seen"]


def identity(count: int, spatial_dims: int) -> torch.Tensor:
    """
    The geometry of views that show the source image unchanged.

    Args:
        count: number of samples.
        spatial_dims: 2 or 3.

    Returns:
        Shape (count, d, d+1).

    Example:
        >>> identity(1, 2)
        tensor([[[1., 0., 0.],
                 [0., 1., 0.]]])
    """
    return torch.eye(spatial_dims, spatial_dims + 1).repeat(count, 1, 1)


def from_pixels(linear: torch.Tensor, shift: torch.Tensor, spatial_size: Sequence[int]) -> torch.Tensor:
    r"""
    Convert a map between pixels, as MONAI's ``Affine`` uses it, to a geometry.

    .. math:: p_\mathrm{source} = L\,p_\mathrm{view} + s

    Axes are in index order, and the origin is the center of the image.

    Args:
        linear: :math:`L`, shape (B, d, d).
        shift: :math:`s` in pixels, shape (B, d).
        spatial_size: of source and view, in pixels.

    Returns:
        Shape (B, d, d+1).

    Example:
        >>> from_pixels(torch.eye(2)[None], torch.tensor([[4.0, 0.0]]), (16, 8))
        tensor([[[1.0000, 0.0000, 0.0000],
                 [0.0000, 1.0000, 0.5000]]])
    """
    half = torch.tensor(list(spatial_size), dtype=linear.dtype, device=linear.device) / 2
    scaled = linear * half / half[:, None]
    return torch.cat([scaled.flip(1, 2), (shift / half).flip(1)[..., None]], dim=2).float()


def compose(outer: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    r"""
    Apply one geometry after the other: :math:`x \mapsto \mathrm{outer}(\mathrm{inner}(x))`.

    This is the view of a view: ``warp(warp(image, first), second)`` equals ``warp(image, compose(first, second))``,
    apart from interpolation. For two views a and b of one image, ``compose(invert(a), b)`` maps coordinates of b to
    those of a.

    Args:
        outer: shape (B, d, d+1).
        inner: shape (B, d, d+1).

    Returns:
        Shape (B, d, d+1).

    Example:
        >>> half = identity(1, 2) / 2
        >>> compose(half, half)
        tensor([[[0.2500, 0.0000, 0.0000],
                 [0.0000, 0.2500, 0.0000]]])
    """
    linear, shift = outer[..., :-1], outer[..., -1:]
    return torch.cat([linear @ inner[..., :-1], linear @ inner[..., -1:] + shift], dim=-1)


def invert(theta: torch.Tensor) -> torch.Tensor:
    """
    The inverse geometry: from coordinates of the source image to those of the view.

    Args:
        theta: shape (B, d, d+1).

    Returns:
        Shape (B, d, d+1).

    Example:
        >>> invert(from_pixels(2 * torch.eye(2)[None], torch.tensor([[4.0, 8.0]]), (16, 16)))
        tensor([[[ 0.5000,  0.0000, -0.5000],
                 [ 0.0000,  0.5000, -0.2500]]])
    """
    # Unlike inv, inv_ex does not wait for the GPU to report singular matrices; the matrix of a view never is.
    linear = torch.linalg.inv_ex(theta[..., :-1].float()).inverse
    return torch.cat([linear, -linear @ theta[..., -1:].float()], dim=-1)


def warp(
    tensor: torch.Tensor,
    theta: torch.Tensor,
    size: Sequence[int] | None = None,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
) -> torch.Tensor:
    """
    Resample images, labels or features to the views of a geometry.

    Args:
        tensor: shape BNH[WD], any type; half precision is interpolated in float32.
        theta: shape (B, d, d+1); moved to the tensor's device.
        size: spatial size of the views. Defaults to the tensor's own.
        mode: "bilinear" (in 3D: trilinear) or "nearest".
        padding_mode: values outside the source: "zeros", "border" or "reflection".

    Returns:
        Shape ``(B, N, *size)``, of the tensor's type.

    Raises:
        ValueError: When tensor and geometry differ in the number of samples or spatial dimensions.

    Example:
        >>> warp(torch.tensor([[[[1.0, 2.0, 3.0]]]]), from_pixels(-torch.eye(2)[None], torch.zeros(1, 2), (1, 3)))
        tensor([[[[3., 2., 1.]]]])
    """
    return _sample(tensor, _grid(tensor, theta, tensor.shape[2:] if size is None else size), mode, padding_mode)


def warp_where_seen(tensor: torch.Tensor, theta: torch.Tensor, elsewhere: torch.Tensor) -> torch.Tensor:
    """
    :func:`warp` with ``padding_mode="border"`` where the view shows the source image, and another tensor where it does
    not (:func:`inside`). Both use one grid of coordinates.

    Args:
        tensor: shape BNH[WD].
        theta: shape (B, d, d+1); moved to the tensor's device.
        elsewhere: values outside the source, of the tensor's shape and type.

    Returns:
        The same shape.

    Raises:
        ValueError: When tensor and geometry differ in the number of samples or spatial dimensions.

    Example:
        >>> warp_where_seen(torch.ones(1, 1, 1, 4), 2 * identity(1, 2), torch.zeros(1, 1, 1, 4))
        tensor([[[[0., 1., 1., 0.]]]])
    """
    grid = _grid(tensor, theta, tensor.shape[2:])
    return torch.where(_shows(grid), _sample(tensor, grid, "bilinear", "border"), elsewhere)


def inside(theta: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """
    Where a view shows the source image, not what lies outside it.

    Args:
        theta: shape (B, d, d+1).
        size: spatial size of the view.

    Returns:
        Bool, shape ``(B, 1, *size)``.

    Example:
        >>> inside(2 * identity(1, 2), (1, 4))
        tensor([[[[False,  True,  True, False]]]])
    """
    return _shows(_coordinates(theta, size))


def _shows(grid: torch.Tensor) -> torch.Tensor:
    """Whether coordinates of shape (B, d, *size) lie in the source image; shape (B, 1, *size)."""
    return (reduce(torch.maximum, grid.abs().unbind(1)) <= 1).unsqueeze(1)


def _grid(tensor: torch.Tensor, theta: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """The coordinates that views of a tensor are read at, shape (B, d, *size)."""
    spatial_dims = theta.shape[1]
    if tensor.ndim != spatial_dims + 2 or len(tensor) != len(theta):
        raise ValueError(
            f"A tensor of shape {tuple(tensor.shape)} cannot be moved by a geometry of shape {tuple(theta.shape)}. "
            f"Give {len(theta)} samples of {spatial_dims} spatial dimensions, shape (B, C, {'side, ' * spatial_dims}…)."
        )
    dtype = tensor.dtype if tensor.dtype == torch.float64 else torch.float32
    return _coordinates(theta.to(tensor.device, dtype), size)


def _sample(tensor: torch.Tensor, grid: torch.Tensor, mode: str, padding_mode: str) -> torch.Tensor:
    moved = F.grid_sample(tensor.to(grid.dtype), grid.movedim(1, -1), mode, padding_mode, align_corners=False)
    return moved.to(tensor.dtype)


def _coordinates(theta: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """
    The grid of ``torch.nn.functional.affine_grid(align_corners=False)``, shape (B, d, *size), in a fraction of its
    time: each coordinate is a sum of one term for each axis, and the tensor is contiguous.
    """
    dims = len(size)
    grid = theta[..., -1].reshape(-1, dims, *[1] * dims)
    for axis, side in enumerate(size):
        places = (2 * torch.arange(side, dtype=theta.dtype, device=theta.device) + 1) / side - 1
        shape = [side if other == axis else 1 for other in range(dims)]
        grid = grid + theta[..., dims - 1 - axis].reshape(-1, dims, *[1] * dims) * places.reshape(shape)
    return grid
