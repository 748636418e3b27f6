# SPDX-License-Identifier: Apache-2.0
"""Capture of the outputs of a network's layers, by module name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from monai_kd.outputs import parse_layer, pick, watch_layers
from monai_kd.utils.messages import closest
from monai_kd.utils.plain_tensor import plain

__all__ = ["FeatureHooks", "layer_shapes", "unwrap"]


def unwrap(network: nn.Module) -> nn.Module:
    """
    The network inside ``torch.compile``, (Distributed)DataParallel, or a wrapper with an attribute ``unwrapped``.

    Its layer and weight names have no prefixes such as ``_orig_mod.`` or ``module.``.

    Example:
        >>> network = torch.nn.Linear(2, 1)
        >>> unwrap(torch.compile(network)) is network
        True
    """
    wrappers = (nn.parallel.DistributedDataParallel, nn.DataParallel)
    while True:
        if isinstance(network, wrappers):
            network = network.module
        elif isinstance(getattr(network, "_orig_mod", None), nn.Module):
            network = network._orig_mod  # type: ignore[assignment]
        elif isinstance(getattr(network, "unwrapped", None), nn.Module):
            network = network.unwrapped  # type: ignore[assignment]
        else:
            return network


def _find(network: nn.Module, name: str) -> nn.Module:
    _require_hookable(network)
    layer = parse_layer(name).module
    modules = dict(network.named_modules())
    if layer in modules:
        return modules[layer]
    names = [name for name in modules if name]
    hint = f" Closest: '{closest(layer, names)}'." if names else ""
    raise ValueError(
        f"No layer '{layer}' in {type(network).__name__}.{hint} layer_shapes(network, image) lists them all."
    )


def _require_hookable(network: nn.Module) -> None:
    if isinstance(network, torch.jit.ScriptModule):
        raise ValueError(
            "The network is TorchScript, whose layers cannot be captured. Compare its output only (layer ''), or "
            "build the network in Python and load its weights."
        )


class _Hook:
    """A hook for its owner alone. A copied or saved network carries it along, without its effect."""

    def __init__(self, hooks: FeatureHooks | None = None, layer: str = "", owner: nn.Module | None = None) -> None:
        self.hooks, self.layer, self.owner = hooks, layer, owner
        self.items = parse_layer(layer).items

    def __reduce__(self) -> tuple[type[_Hook], tuple[()]]:
        return type(self), ()

    def keep(self, module: nn.Module, value: Any) -> None:
        """Hand a value on if it is of the owner."""
        if self.hooks is not None and module is self.owner:
            self.hooks._keep(self.layer, self.items, value)


class _InputHook(_Hook):
    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.keep(module, next(iter((*args, *kwargs.values())), None))


class _OutputHook(_Hook):
    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        self.keep(module, output)


class FeatureHooks:
    """
    Captures the outputs of named layers while it is open, as plain tensors.

    If a layer runs several times between two calls of :meth:`pop` (for the windows of a sliding-window inferer), its
    outputs are joined along the batch axis. A deep copy of the network, made while the hooks are open, is not captured.
    Open the hooks before the first call of a compiled network.

    Args:
        network: any module, also compiled or wrapped for several devices.
        layers: names as in ``network.named_modules()``; ``""`` is the network's own output. ``"encoder[2]"`` is one of
            several outputs, ``"encoder:input"`` is what a layer receives (:mod:`monai_kd.outputs`).
        copy: keep a copy of each output. Only needed if a later in-place operation overwrites the output, such as the
            activation in the blocks of ``monai.networks.nets.BasicUNet``; :meth:`pop` then raises an error.

    Attributes:
        listening: set it to False to capture nothing, for example during validation.

    Raises:
        ValueError: When a layer does not exist (the message names the closest), or the network is TorchScript.

    Example:
        >>> import torch
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU())
        >>> with FeatureHooks(network, ["0", ""]) as hooks:
        ...     output = network(torch.rand(2, 1, 8, 8))
        ...     features = hooks.pop()
        >>> {name: tuple(feature.shape) for name, feature in features.items()}
        {'0': (2, 4, 6, 6), '': (2, 4, 6, 6)}
    """

    def __init__(self, network: nn.Module, layers: Iterable[str], copy: bool = False) -> None:
        self._network = unwrap(network)
        self._compiled = any(hasattr(module, "_orig_mod") for module in network.modules())
        self._modules = {layer: _find(self._network, layer) for layer in dict.fromkeys(layers)}
        self._copy = copy
        self.listening = True
        self._captured: dict[str, list[tuple[torch.Tensor, int]]] = {}
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the captured layers."""
        return tuple(self._modules)

    def __enter__(self) -> FeatureHooks:
        self.close()
        if self._compiled and self._modules:
            # A graph that was compiled without the hooks would never call them.
            torch.compiler.reset()
        for layer, module in self._modules.items():
            self._handles.append(self._register(layer, module))
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the hooks and drop what was captured."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.clear()

    def clear(self) -> None:
        """Drop what was captured."""
        self._captured.clear()

    def pop(self) -> dict[str, torch.Tensor]:
        """
        The outputs since the last call, by layer name, as plain tensors with their gradient history.

        Raises:
            ValueError: When a layer did not run, or its output was overwritten in place.
        """
        captured, self._captured = self._captured, {}
        return {layer: self._joined(layer, captured.get(layer, [])) for layer in self._modules}

    def _register(self, layer: str, owner: nn.Module) -> torch.utils.hooks.RemovableHandle:
        if parse_layer(layer).is_input:
            return owner.register_forward_pre_hook(_InputHook(self, layer, owner), with_kwargs=True)
        return owner.register_forward_hook(_OutputHook(self, layer, owner))

    def _keep(self, layer: str, items: tuple[str, ...], value: Any) -> None:
        if not self.listening:
            return
        whose = f"Layer '{layer}' of {type(self._network).__name__}"
        output = pick(value, items, whose)
        if not isinstance(output, torch.Tensor):
            raise ValueError(
                f"{whose} returned a {type(output).__name__}, not one tensor. Name one of its outputs, as in "
                f"'{layer}[0]', or a layer inside it; layer_shapes(network, image) lists those that return a tensor."
            )
        output = plain(output)
        output = output.clone() if self._copy else output
        version = -1 if torch.compiler.is_compiling() or output.is_inference() else output._version
        self._captured.setdefault(layer, []).append((output, version))

    def _joined(self, layer: str, outputs: list[tuple[torch.Tensor, int]]) -> torch.Tensor:
        name = type(self._network).__name__
        if not outputs:
            raise ValueError(
                f"Layer '{layer}' of {name} did not run. Check that forward() uses it, that the network was called "
                "since the last pop(), and that the hooks were opened before a compiled network's first call."
            )
        if any(version >= 0 and tensor._version != version for tensor, version in outputs):
            raise ValueError(
                f"The output of layer '{layer}' of {name} was overwritten in place after it was captured. "
                "Name the block around it, or use FeatureHooks(..., copy=True)."
            )
        tensors = [tensor for tensor, _ in outputs]
        if any(tensor.shape[1:] != tensors[0].shape[1:] for tensor in tensors):
            shapes = sorted({tuple(tensor.shape) for tensor in tensors})
            raise ValueError(
                f"Layer '{layer}' of {name} ran {len(tensors)} times with outputs of different shapes {shapes}, which "
                "cannot be joined along the batch. Name a layer that runs at one resolution."
            )
        return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def layer_shapes(network: nn.Module, image: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """
    The output shape of every layer that returns a tensor, by layer name, in the order of execution.

    Args:
        network: any module; it runs once in evaluation mode without gradients, and its modes do not change.
        image: input of the network, shape BNH[WD].

    Returns:
        Shapes by layer name; ``""`` is the network's output.

    Raises:
        ValueError: When the network is TorchScript.

    Example:
        >>> import torch
        >>> layer_shapes(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU()), torch.rand(2, 1, 8, 8))
        {'0': (2, 4, 6, 6), '1': (2, 4, 6, 6), '': (2, 4, 6, 6)}
    """
    network = unwrap(network)
    _require_hookable(network)
    shapes: dict[str, tuple[int, ...]] = {}

    def note(layer: str, module: nn.Module, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            shapes[layer] = tuple(output.shape)

    watch_layers(network, image, note)
    return shapes
