# SPDX-License-Identifier: Apache-2.0
"""A 3D convolution and a trilinear resizing that are fast on CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SingleVolumeConv3d", "convolution", "is_eager", "resize_volume"]

# On a CPU, torch gives a batch of one to oneDNN only if N × C × H × W (without D) is above this number.
LEAST_FOR_ONEDNN = 20480


class SingleVolumeConv3d(nn.Conv3d):
    """
    ``torch.nn.Conv3d`` that takes a single volume on a CPU as fast as several.

    Torch gives a single small volume to a kernel that is up to 25 times slower than oneDNN's. This class always takes
    oneDNN's. Its weights, results and exports are those of ``Conv3d``, up to rounding.

    Shapes:
        (B, in_channels, H, W, D) to (B, out_channels, H, W, D).

    Example:
        >>> convolution = SingleVolumeConv3d(2, 4, kernel_size=3, padding=1)
        >>> image = torch.rand(1, 2, 8, 8, 8)
        >>> torch.allclose(convolution(image), nn.Conv3d.forward(convolution, image), atol=1e-5)
        True
    """

    def forward(self, input: Tensor) -> Tensor:
        """The convolved volumes."""
        if not torch.jit.is_scripting():
            slow = is_eager() and _is_slow(self, input)  # an export must not ask for the size of its batch
            if slow:
                return self._by_onednn(input)
        return self._conv_forward(input, self.weight, self.bias)

    @torch.jit.unused
    def _by_onednn(self, image: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (image.requires_grad or self.weight.requires_grad):
            # The backward pass goes to oneDNN with a batch of two alone; the second volume gets no gradient.
            return self._conv_forward(image.expand(2, *image.shape[1:]), self.weight, self.bias)[:1]
        padding: Any = self.padding
        return torch.mkldnn_convolution(image, self.weight, self.bias, padding, self.stride, self.dilation, self.groups)


def convolution(spatial_dims: int) -> Any:
    """The convolution that a network of 2 or 3 spatial axes is built of."""
    return nn.Conv2d if spatial_dims == 2 else SingleVolumeConv3d


def resize_volume(volume: Tensor, size: Sequence[int]) -> Tensor:
    """
    Trilinear resizing in half the time of ``torch.nn.functional.interpolate``: first along H, then along W and D.

    Args:
        volume: shape BNHWD.
        size: the new H, W and D.

    Returns:
        Shape (B, N, *size).

    Example:
        >>> volume = torch.rand(1, 2, 3, 4, 5)
        >>> expected = functional.interpolate(volume, size=[6, 7, 8], mode="trilinear")
        >>> torch.allclose(resize_volume(volume, [6, 7, 8]), expected, atol=1e-6)
        True
    """
    count, channels, _, width, depth = volume.shape
    rows = volume.reshape(count * channels, 1, -1, width * depth)
    rows = functional.interpolate(rows, size=[size[0], width * depth], mode="bilinear")
    planes = functional.interpolate(rows.reshape(-1, size[0], width, depth), size=size[1:], mode="bilinear")
    return planes.reshape(count, channels, *size)


def _is_slow(layer: nn.Conv3d, image: Tensor) -> bool:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return False
    return (
        image.dim() == 5
        and len(image) == 1
        and image.shape[:4].numel() <= LEAST_FOR_ONEDNN
        and image.device.type == "cpu"
        and image.dtype == torch.float32
    )


def is_eager() -> bool:
    """Whether operations run as they are called, in their own precision, with oneDNN."""
    return not (
        torch.jit.is_tracing()  # type: ignore[no-untyped-call]
        or torch.compiler.is_compiling()
        or torch.is_autocast_enabled("cpu")
        or not torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        or not torch.backends.mkldnn.enabled
    )
