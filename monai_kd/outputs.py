# SPDX-License-Identifier: Apache-2.0
"""
One tensor out of what a network or a layer returns.

Networks return lists (deep supervision), stacks of them in one tensor, tuples (a variational branch) or dictionaries
(auxiliary heads). A name in brackets says which one is meant: ``"[1]"``, ``"[aux]"``, ``"encoder[2]"``. ``:input``
means what a layer receives: ``"decoder:input"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from monai_kd.utils.plain_tensor import plain

__all__ = ["LayerName", "inner_layers", "main_output", "parse_layer", "pick", "resolve", "watch_layers"]

LAYER = re.compile(r"(?P<module>[^\[\]:]*)(?P<input>:input)?(?P<items>(\[[^\[\]]+\])*)")
# The main head of torchvision's segmentation networks, and that of Hugging Face's.
MAIN_KEYS = ("out", "logits")


class LayerName(NamedTuple):
    """
    The parts of a layer's name.

    Args:
        module: as in ``network.named_modules()``; ``""`` is the network.
        is_input: whether the first positional argument is meant, not the output.
        items: indices and keys, from the outside in.
    """

    module: str
    is_input: bool
    items: tuple[str, ...]


def parse_layer(name: str) -> LayerName:
    """
    Raises:
        ValueError: When the brackets do not match.

    Example:
        >>> parse_layer("encoder.blocks.3[2]")
        LayerName(module='encoder.blocks.3', is_input=False, items=('2',))
        >>> parse_layer("decoder:input")
        LayerName(module='decoder', is_input=True, items=())
    """
    match = LAYER.fullmatch(name)
    if match is None:
        raise ValueError(
            f"'{name}' is no layer name. Write 'encoder.0', 'encoder.0[2]' for the third of its outputs, "
            "'encoder.0[key]' for one of a dictionary, or 'encoder.0:input' for what it receives."
        )
    return LayerName(match["module"], match["input"] is not None, tuple(re.findall(r"\[([^\]]+)\]", match["items"])))


def pick(value: Any, items: tuple[str, ...], whose: str) -> Any:
    """
    One of several outputs.

    Args:
        value: a list, tuple, dictionary, or a tensor in which outputs are stacked along axis 1 (as by MONAI's
            ``DynUNet``); or one that holds such.
        items: from :func:`parse_layer`. None of them gives ``value`` itself.
        whose: what returned ``value``, for the message.

    Raises:
        ValueError: When there is no such output.

    Example:
        >>> pick({"out": torch.zeros(1), "aux": [torch.ones(1), torch.zeros(1)]}, ("aux", "0"), "The student")
        tensor([1.])
    """
    for item in items:
        found = dict(_children(value))
        if isinstance(value, torch.Tensor) and value.ndim > 2:
            found = {str(i): value[:, i] for i in range(value.shape[1])}
        if item not in found:
            names = ", ".join(f"[{key}]" for key in list(found)[:8]) or "one tensor"
            raise ValueError(f"{whose} has no output [{item}]. It has {names}.")
        value = found[item]
    return value


def main_output(output: Any, image: Any, whose: str, side: str) -> torch.Tensor:
    """
    The prediction among several outputs: the one of the highest resolution.

    Args:
        output: what a network returned. A tensor with one axis more than the image stacks several outputs along axis
            1, the main one first, as MONAI's ``DynUNet`` does while it is trained.
        image: what the network was given, shape BNH[WD]. Outputs of as many axes count, or vectors where no output has
            as many. None: all count.
        whose: "The student", for the message.
        side: "student" or "teacher", for the message.

    Raises:
        ValueError: When there is no tensor, or several have the highest resolution (a dictionary's "out" or "logits"
            is then the main one). The message lists them by name.

    Example:
        >>> heads = [torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4)]
        >>> main_output(heads, torch.zeros(1, 1, 8, 8), "The student", "student").shape
        torch.Size([1, 2, 8, 8])
    """
    axes = image.ndim if isinstance(image, torch.Tensor) else None
    if isinstance(output, torch.Tensor):
        tensor: torch.Tensor = plain(output)
        return tensor[:, 0] if axes is not None and tensor.ndim == axes + 1 else tensor
    found = {name: plain(value) for name, value in _leaves(output)}
    maps = {name: value for name, value in found.items() if value.ndim > 1 and axes in (None, value.ndim)}
    maps = maps or {name: value for name, value in found.items() if value.ndim == 2}
    largest = max((value[0, 0].numel() for value in maps.values()), default=0)
    best = {name: value for name, value in maps.items() if value[0, 0].numel() == largest}
    chosen = next(iter(best)) if len(best) == 1 else next((f"[{k}]" for k in MAIN_KEYS if f"[{k}]" in best), None)
    if chosen is not None:
        main: torch.Tensor = best[chosen]
        return main
    if not best:
        raise ValueError(f"{whose} returned a {type(output).__name__} without a tensor of predictions.")
    shapes = ", ".join(f"'{name}' {tuple(value.shape)}" for name, value in best.items())
    raise ValueError(
        f"{whose} returned several outputs of one resolution: {shapes}. Say which one to compare: "
        f"{side}_layer='{next(iter(best))}'."
    )


def inner_layers(layers: Iterable[str]) -> list[str]:
    """
    The names that hooks capture: all but those of the network's own output, which may come from an inferer.

    Example:
        >>> inner_layers(["", "[1]", "encoder", ":input"])
        ['encoder', ':input']
    """
    names = [(layer, parse_layer(layer)) for layer in layers]
    return [layer for layer, name in names if name.module or name.is_input]


def resolve(output: Any, layers: Iterable[str], image: Any, whose: str, side: str) -> dict[str, torch.Tensor]:
    """
    The outputs among ``layers``: ``""``, the main one, and those in brackets.

    Args:
        output: what the network returned.
        layers: further names, of inner layers, are passed over.
        image: as for :func:`main_output`.
        whose: "The student", for the message.
        side: "student" or "teacher", for the message.

    Returns:
        Tensors by layer name.

    Raises:
        ValueError: When an output does not exist, or the main one is not clear.

    Example:
        >>> heads = [torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4)]
        >>> {name: head.shape[-1] for name, head in resolve(heads, ["", "[1]"], None, "It", "student").items()}
        {'': 8, '[1]': 4}
    """
    found = {}
    for layer in layers:
        name = parse_layer(layer)
        if not name.module and not name.is_input:
            found[layer] = main_output(pick(output, name.items, whose), image, whose, side)
    return found


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


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), child) for key, child in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(i), child) for i, child in enumerate(value))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    for key, child in _children(value):
        yield from _leaves(child, f"{name}[{key}]")
