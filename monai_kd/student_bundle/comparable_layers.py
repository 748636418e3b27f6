# SPDX-License-Identifier: Apache-2.0
"""The layers of a network that can be compared with layers of another network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.layers import SkipConnection
from torch import nn

from monai_kd.features import layer_shapes
from monai_kd.networks.adapters.map_checks import has_channels_last
from monai_kd.utils.messages import closest

__all__ = ["Layer", "all_layers", "comparable_layers", "require_layer"]


@dataclass(frozen=True)
class Layer:
    """
    A layer, the channels and spatial size of its output, and its part: "encoder", "decoder" or, if not determined, "".
    """

    name: str
    channels: int
    size: tuple[int, ...]
    part: str = ""


def all_layers(network: nn.Module, image: torch.Tensor) -> dict[str, Layer]:
    """
    Every layer that returns one feature map, in the order of execution; ``""`` is the network's output.

    Tokens and maps with channels last, as transformers have inside, are left out. ``image`` has shape BNH[WD].
    """
    shapes = {name: s for name, s in layer_shapes(network, image).items() if len(s) == image.ndim}
    return {name: Layer(name, s[1], s[2:]) for name, s in shapes.items() if not has_channels_last(s, image.shape)}


def comparable_layers(network: nn.Module, layers: dict[str, Layer], classes: int) -> dict[tuple[str, tuple], Layer]:
    """
    One layer for each part and resolution: the last block at this resolution.

    The encoder ends with the last layer of the smallest size; the decoder follows. A block is a module that contains
    other modules. Single convolutions, norms and activations lie inside blocks, some at another resolution. Two kinds
    of layers are left out: concatenations (``SkipConnection``), which mix encoder and decoder, and layers with as many
    channels as there are classes, which are logits.

    Returns:
        By part and size, the encoder from the highest resolution down, then the decoder up again.
    """
    modules = dict(network.named_modules())
    inner = [layer for name, layer in layers.items() if name and all(side > 1 for side in layer.size)]
    if not inner:
        return {}
    smallest = min((layer.size for layer in inner), key=_volume)
    deepest = max(i for i, layer in enumerate(inner) if layer.size == smallest)
    found: dict[tuple[str, tuple], Layer] = {}
    for i, layer in enumerate(inner):
        part = "encoder" if i <= deepest else "decoder"
        module = modules[layer.name]
        is_block = any(True for _ in module.children()) and not isinstance(module, SkipConnection)
        if is_block and layer.channels != classes:
            found.pop((part, layer.size), None)
            found[part, layer.size] = Layer(layer.name, layer.channels, layer.size, part)
    down = sorted((key for key in found if key[0] == "encoder"), key=lambda key: -_volume(key[1]))
    up = sorted((key for key in found if key[0] == "decoder"), key=lambda key: _volume(key[1]))
    return {key: found[key] for key in (*down, *up)}


def require_layer(name: str, layers: dict[str, Layer], whose: str) -> Layer:
    """
    A layer by the name that the user wrote; ``whose`` is "student" or "teacher", for the message.

    Raises:
        ValueError: When the network has no such layer; the message names the closest.
    """
    if name not in layers or not name:
        known = [other for other in layers if other]
        raise ValueError(
            f"The {whose} has no layer '{name}' that returns one feature map (B, C, H, W[, D]). Closest: "
            f"'{closest(name, known)}'."
        )
    return layers[name]


def _volume(size: tuple[int, ...]) -> int:
    return int(torch.tensor(size).prod())
