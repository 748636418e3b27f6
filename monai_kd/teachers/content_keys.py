# SPDX-License-Identifier: Apache-2.0
"""Keys of the contents of images, and of a network with its weights."""

from __future__ import annotations

import functools
import hashlib

import torch
from torch import nn

from monai_kd.features import unwrap
from monai_kd.utils.plain_tensor import plain

__all__ = ["image_keys", "network_key", "weighted_sums"]

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@functools.lru_cache(maxsize=8)
def _factors(count: int, device: torch.device) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.empty(2, count, dtype=torch.int64).random_(generator=generator).to(device)


def image_keys(image: torch.Tensor) -> list[str]:
    r"""
    A key of every image of a batch, made of its type, its shape, and two sums of its bits times fixed random numbers.

    .. math:: h = \textstyle\sum_i a_i b_i \bmod 2^{64}

    The sums are computed on the image's device and are the same on every device. Two different images have the same key
    with a probability below :math:`2^{-60}` (the sums are independent, and each is a universal hash).

    Args:
        image: shape BNH[WD].

    Example:
        >>> first, second, third = image_keys(torch.tensor([[[[1.0]]], [[[2.0]]], [[[1.0]]]]))
        >>> first == third, first == second
        (True, False)
    """
    image = plain(image).contiguous()
    bits = image.flatten(1).view(_INTEGERS[image.element_size()]).long()
    sums = torch.stack([(bits * factors).sum(dim=1) for factors in _factors(bits.shape[1], bits.device)], dim=1)
    kind = "x".join([str(image.dtype).removeprefix("torch."), *map(str, image.shape[1:])])
    return [f"{kind}-{a & (2**64 - 1):016x}{b & (2**64 - 1):016x}" for a, b in sums.tolist()]


@functools.lru_cache(maxsize=8)
def _weights(count: int, device: torch.device) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(0)).to(device)


def weighted_sums(image: torch.Tensor) -> list[float]:
    """
    The sum of every image's pixels times fixed random numbers: images that differ by more than rounding differ in it.

    It takes a tenth of the time of :func:`image_keys`, but depends on the device.

    Args:
        image: shape BNH[WD].

    Example:
        >>> first, second, third = weighted_sums(torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]], [[[1.0, 0.0]]]]))
        >>> first == third, first == second
        (True, False)
    """
    pixels = plain(image).flatten(1).float()
    sums: list[float] = (pixels * _weights(pixels.shape[1], pixels.device)).sum(dim=1).tolist()
    return sums


def network_key(network: nn.Module) -> str:
    """
    A key of a network's structure (as printed), weights and buffers; compilation and wrappers change nothing.

    Example:
        >>> first, second = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
        >>> network_key(first) == network_key(first), network_key(first) == network_key(second)
        (True, False)
    """
    network = unwrap(network)
    digest = hashlib.blake2b(repr(network).encode(), digest_size=16)
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
