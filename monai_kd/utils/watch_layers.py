# SPDX-License-Identifier: Apache-2.0
"""One run of a network, to see what each of its layers gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["watch_layers"]


def watch_layers(network: nn.Module, image: torch.Tensor, see: Callable[[str, nn.Module, Any], object]) -> None:
    """
    Run a network once, in evaluation mode without gradients, and leave it as it was.

    Args:
        network: any module.
        image: its input, shape BNH[WD].
        see: called with each layer's name, the layer and what it gave, in the order in which they end; the network
            itself has the name ``""``.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> watch_layers(network, torch.rand(2, 1, 8, 8), lambda name, layer, output: print(repr(name), output.shape))
        '0' torch.Size([2, 4, 6, 6])
        '1' torch.Size([2, 4, 6, 6])
        '' torch.Size([2, 4, 6, 6])
    """

    def hook_of(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            see(name, module, output)

        return hook

    modes = {module: module.training for module in network.modules()}
    handles = [module.register_forward_hook(hook_of(name)) for name, module in network.named_modules()]
    try:
        network.eval()
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
