# SPDX-License-Identifier: Apache-2.0
"""Deterministic transforms as modules that work on batches and can be exported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Activation", "Normalize", "Resize", "ResizeBack", "ScaleMinMax", "ScaleRange", "softmax"]


class Resize(nn.Module):
    """
    ``monai.transforms.Resize`` of batches.

    Args:
        size: of the result.
        mode: of ``torch.nn.functional.interpolate``.
        align_corners: as there.
    """

    def __init__(self, size: Sequence[int], mode: str, align_corners: bool | None) -> None:
        super().__init__()
        self.size, self.mode, self.align_corners = list(size), mode, align_corners

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """
        Shape (B, C, H, W[, D]) to ``(B, C, *size)``.

        Args:
            x: images.
            size: in place of the step's own. Defaults to None.
        """
        size = self.size if size is None else size
        if self.mode == "area":
            return _area(x, size)
        return functional.interpolate(x, size=size, mode=self.mode, align_corners=self.align_corners)


class ResizeBack(Resize):
    """
    The inverse of a :class:`Resize`, to the size that the image had.

    Args:
        of: the step to undo.
        nearest: whether to interpolate by the nearest neighbor, as masks are.
    """

    def __init__(self, of: Resize, nearest: bool) -> None:
        super().__init__(of.size, "nearest" if nearest else of.mode, None if nearest else of.align_corners)


def _area(x: Tensor, size: Sequence[int]) -> Tensor:
    """Adaptive average pooling as one product for each axis, which can be exported with any size of the image."""
    for axis, length in enumerate(size, start=2):
        x = (x.transpose(axis, -1) @ _averages(x.shape[axis], length).T).transpose(axis, -1)
    return x


def _averages(before: int, after: int) -> Tensor:
    """Rows of weights: pixel i of the result is the mean of floor(i·before/after) … ceil((i+1)·before/after) − 1."""
    pixel, place = torch.arange(after)[:, None], torch.arange(before)
    inside = (place >= pixel * before // after) & (place < ((pixel + 1) * before + after - 1) // after)
    weights = inside.float()
    return weights / weights.sum(1, keepdim=True)


class Normalize(nn.Module):
    """
    ``monai.transforms.NormalizeIntensity`` of batches: (x − subtrahend) / divisor.

    Args:
        subtrahend: shape () or (C,); None is the image's mean.
        divisor: likewise; None is its standard deviation.
        channel_wise: whether mean and deviation are a channel's.
        spatial_dims: 2 or 3.
    """

    def __init__(
        self,
        subtrahend: Tensor | None,
        divisor: Tensor | None,
        channel_wise: bool,
        spatial_dims: int,
    ) -> None:
        super().__init__()
        self.axes = tuple(range(2 if channel_wise else 1, spatial_dims + 2))
        shape = [-1, *[1] * spatial_dims]
        self.subtrahend = subtrahend if subtrahend is None or subtrahend.ndim == 0 else subtrahend.reshape(shape)
        divisor = divisor if divisor is None or divisor.ndim == 0 else divisor.reshape(shape)
        self.divisor = None if divisor is None else _not_zero(divisor)

    def forward(self, x: Tensor) -> Tensor:
        """
        Shape unchanged.

        Args:
            x: shape (B, C, H, W[, D]).
        """
        mean = x.mean(self.axes, keepdim=True) if self.subtrahend is None else self.subtrahend
        if self.divisor is not None:
            return (x - mean) / self.divisor
        own = x.mean(self.axes, keepdim=True)
        return (x - mean) / _not_zero((x - own).square().mean(self.axes, keepdim=True).sqrt())


def _not_zero(x: Tensor) -> Tensor:
    return torch.where(x == 0, 1.0, x)


class ScaleMinMax(nn.Module):
    """
    ``monai.transforms.ScaleIntensity`` of batches: each image's values to low … high.

    Args:
        low, high: of the result.
        channel_wise: whether each channel is scaled by itself.
        spatial_dims: 2 or 3.
    """

    def __init__(self, low: float, high: float, channel_wise: bool, spatial_dims: int) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.axes = tuple(range(2 if channel_wise else 1, spatial_dims + 2))

    def forward(self, x: Tensor) -> Tensor:
        """
        Shape unchanged; an image of one value becomes that value times ``low``, as in MONAI.

        Args:
            x: shape (B, C, H, W[, D]).
        """
        least, most = x.amin(self.axes, keepdim=True), x.amax(self.axes, keepdim=True)
        flat = least == most
        scaled = (x - least) / torch.where(flat, 1.0, most - least) * (self.high - self.low) + self.low
        return torch.where(flat, x * self.low, scaled)


class ScaleRange(nn.Module):
    """
    ``monai.transforms.ScaleIntensityRange`` of batches: ``a_min`` … ``a_max`` to ``b_min`` … ``b_max``.

    Args:
        a_min, a_max, b_min, b_max, clip: as there.
    """

    def __init__(self, a_min: float, a_max: float, b_min: float | None, b_max: float | None, clip: bool) -> None:
        super().__init__()
        self.a_min, self.width, self.b_min, self.b_max, self.clip = a_min, a_max - a_min, b_min, b_max, clip

    def forward(self, x: Tensor) -> Tensor:
        """
        Shape unchanged.

        Args:
            x: shape (B, C, H, W[, D]).
        """
        x = (x - self.a_min) / self.width
        if self.b_min is not None and self.b_max is not None:
            x = x * (self.b_max - self.b_min) + self.b_min
        return x.clamp(self.b_min, self.b_max) if self.clip else x


class Activation(nn.Module):
    """
    Logits to probabilities.

    Args:
        kind: ``"softmax"`` or ``"sigmoid"``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """
        Shape unchanged.

        Args:
            x: shape (B, C, H, W[, D]).
        """
        return softmax(x) if self.kind == "softmax" else torch.sigmoid(x)


def softmax(x: Tensor) -> Tensor:
    """
    Softmax over channels, written out.

    ONNX Runtime computes a softmax over any but the last axis so slowly (1.6 ms for two classes at 224×224, a quarter
    of the student's time) that sums over channels are faster.

    Args:
        x: shape (B, C, …).

    Example:
        >>> softmax(torch.zeros(1, 2, 1)).flatten().tolist()
        [0.5, 0.5]
    """
    if x.shape[1] == 2:
        second = torch.sigmoid(x[:, 1:] - x[:, :1])
        return torch.cat([1 - second, second], 1)
    powers = (x - x.amax(1, keepdim=True)).exp()
    return powers / powers.sum(1, keepdim=True)
