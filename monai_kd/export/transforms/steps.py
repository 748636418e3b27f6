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
    ``monai.transforms.Resize`` of batches; ``mode`` and ``align_corners`` are as in
    ``torch.nn.functional.interpolate``.
    """

    def __init__(self, size: Sequence[int], mode: str, align_corners: bool | None) -> None:
        super().__init__()
        self.size, self.mode, self.align_corners = list(size), mode, align_corners

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """From (B, C, H, W[, D]) to ``(B, C, *size)``; ``size`` defaults to the step's own."""
        size = self.size if size is None else size
        if self.mode == "area":
            return _area(x, size)
        return functional.interpolate(x, size=size, mode=self.mode, align_corners=self.align_corners)


class ResizeBack(Resize):
    """The inverse of a :class:`Resize`, to the size of the original image, by nearest neighbor if that is set."""

    def __init__(self, of: Resize, nearest: bool) -> None:
        super().__init__(of.size, "nearest" if nearest else of.mode, None if nearest else of.align_corners)


def _area(x: Tensor, size: Sequence[int]) -> Tensor:
    """Adaptive average pooling as one matrix product per axis, which can be exported for any image size."""
    for axis, length in enumerate(size, start=2):
        x = (x.transpose(axis, -1) @ _averages(x.shape[axis], length).T).transpose(axis, -1)
    return x


def _averages(before: int, after: int) -> Tensor:
    """Matrix of weights: pixel i of the result is the mean of floor(i·before/after) … ceil((i+1)·before/after) − 1."""
    pixel, place = torch.arange(after)[:, None], torch.arange(before)
    inside = (place >= pixel * before // after) & (place < ((pixel + 1) * before + after - 1) // after)
    weights = inside.float()
    return weights / weights.sum(1, keepdim=True)


class Normalize(nn.Module):
    """
    ``monai.transforms.NormalizeIntensity`` of batches: (x − subtrahend) / divisor.

    Args:
        subtrahend: shape () or (C,); None for the image's mean.
        divisor: shape () or (C,); None for the image's standard deviation.
        channel_wise: whether mean and deviation are computed for each channel.
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
        """Images (B, C, H, W[, D]) of the same shape."""
        mean = x.mean(self.axes, keepdim=True) if self.subtrahend is None else self.subtrahend
        if self.divisor is not None:
            return (x - mean) / self.divisor
        own = x.mean(self.axes, keepdim=True)
        return (x - mean) / _not_zero((x - own).square().mean(self.axes, keepdim=True).sqrt())


def _not_zero(x: Tensor) -> Tensor:
    return torch.where(x == 0, 1.0, x)


class ScaleMinMax(nn.Module):
    """``monai.transforms.ScaleIntensity`` of batches: scales each image, or each of its channels, to low … high."""

    def __init__(self, low: float, high: float, channel_wise: bool, spatial_dims: int) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.axes = tuple(range(2 if channel_wise else 1, spatial_dims + 2))

    def forward(self, x: Tensor) -> Tensor:
        """Scale images (B, C, H, W[, D]); an image of one value becomes that value times ``low``, as in MONAI."""
        least, most = x.amin(self.axes, keepdim=True), x.amax(self.axes, keepdim=True)
        flat = least == most
        scaled = (x - least) / torch.where(flat, 1.0, most - least) * (self.high - self.low) + self.low
        return torch.where(flat, x * self.low, scaled)


class ScaleRange(nn.Module):
    """``monai.transforms.ScaleIntensityRange`` of batches: ``a_min`` … ``a_max`` to ``b_min`` … ``b_max``."""

    def __init__(self, a_min: float, a_max: float, b_min: float | None, b_max: float | None, clip: bool) -> None:
        super().__init__()
        self.a_min, self.width, self.b_min, self.b_max, self.clip = a_min, a_max - a_min, b_min, b_max, clip

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W[, D]) of the same shape."""
        x = (x - self.a_min) / self.width
        if self.b_min is not None and self.b_max is not None:
            x = x * (self.b_max - self.b_min) + self.b_min
        return x.clamp(self.b_min, self.b_max) if self.clip else x


class Activation(nn.Module):
    """Logits to probabilities, by ``"softmax"`` or ``"sigmoid"``."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W[, D]) of the same shape."""
        return softmax(x) if self.kind == "softmax" else torch.sigmoid(x)


def softmax(x: Tensor) -> Tensor:
    """
    Softmax over channels, for (B, C, …), written as a sigmoid or as sums.

    In ONNX Runtime a softmax over any axis but the last is slower: 1.6 ms for two classes at 224×224, a quarter of the
    student's time.

    Example:
        >>> softmax(torch.zeros(1, 2, 1)).flatten().tolist()
        [0.5, 0.5]
    """
    if x.shape[1] == 2:
        second = torch.sigmoid(x[:, 1:] - x[:, :1])
        return torch.cat([1 - second, second], 1)
    powers = (x - x.amax(1, keepdim=True)).exp()
    return powers / powers.sum(1, keepdim=True)
