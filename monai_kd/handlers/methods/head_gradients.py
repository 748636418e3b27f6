# SPDX-License-Identifier: Apache-2.0
"""The gradient of each image's loss with respect to a network's last layer."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from monai_kd.losses.parts.sample_gradients import sample_gradients
from monai_kd.utils.plain_tensor import plain

__all__ = ["count_weights", "head_gradients"]

MOST_WEIGHTS = 100_000


def head_gradients(
    network: nn.Module, head: str, image: torch.Tensor, label: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    A network's logits, and for each image the gradient of its mean cross-entropy with respect to the head's weights.

    Both have their gradient history, so a loss can use the gradients.

    Args:
        network: returns logits BNH[WD] of two or more classes.
        head: module name of a layer that runs once, from one tensor to one tensor. The layers after it (resizing, an
            activation) must not mix samples.
        image: shape BNH[WD].
        label: class indices, shape B1H[WD].

    Returns:
        Logits, and gradients of shape (B, number of the head's weights), in full precision.

    Raises:
        ValueError: When the head did not run exactly once, or logits and label do not fit.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
        >>> logits, gradients = head_gradients(network, "2", torch.rand(3, 1, 8, 8), torch.ones(3, 1, 8, 8))
        >>> logits.shape, gradients.shape
        (torch.Size([3, 2, 8, 8]), torch.Size([3, 10]))
    """
    layer, calls = network.get_submodule(head), list[tuple[Any, Any]]()
    handle = layer.register_forward_hook(lambda module, inputs, output: calls.append((inputs, output)))
    try:
        logits = network(image)
    finally:
        handle.remove()
    _check_logits(logits, label)
    if len(calls) != 1 or len(calls[0][0]) != 1 or not isinstance(calls[0][1], torch.Tensor):
        raise ValueError(
            f"The head '{head}' ran {len(calls)} times, or not from one tensor to one tensor. Name the last layer; "
            "layer_shapes(network, image) lists all layers."
        )
    (feature,), output = calls[0]
    pixels = label[0].numel()
    # The sum, because in half precision the mean's gradient at one pixel would vanish.
    loss = F.cross_entropy(plain(logits).float(), label[:, 0].long(), reduction="sum")
    (delta,) = torch.autograd.grad(loss, output, create_graph=True)
    return logits, sample_gradients(plain(feature), plain(delta), layer) / pixels


def count_weights(network: nn.Module, head: str) -> int:
    """Number of the head's weights; ValueError if it is 0, or too large to keep a gradient for each image."""
    count = sum(p.numel() for p in network.get_submodule(head).parameters())
    if not 0 < count <= MOST_WEIGHTS:
        last = [name for name, module in network.named_modules() if list(module.parameters(recurse=False))][-1:]
        raise ValueError(
            f"The head '{head}' has {count} weights, and a gradient of all is kept for each image. Name the layer that "
            f"gives the logits, with at most {MOST_WEIGHTS} weights; the last one with weights is '{''.join(last)}'."
        )
    return count


def _check_logits(logits: Any, label: torch.Tensor) -> None:
    if not isinstance(logits, torch.Tensor):
        raise ValueError(
            f"The network returned a {type(logits).__name__}, expected logits. Switch deep supervision off."
        )
    if logits.ndim < 3 or logits.shape[1] < 2 or label.shape != (len(logits), 1, *logits.shape[2:]):
        raise ValueError(
            f"The network gives {tuple(logits.shape)} for a label of shape {tuple(label.shape)}. Use a network that "
            "gives logits of two or more classes for every pixel, and a label of class indices, B1H[WD]."
        )
