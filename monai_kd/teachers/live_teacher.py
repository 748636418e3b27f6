# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from monai_kd.features import FeatureHooks, unwrap
from monai_kd.outputs import inner_layers, main_output, parse_layer, resolve
from monai_kd.utils.messages import closest, first_line, is_of_shapes
from monai_kd.utils.plain_tensor import plain

__all__ = ["LiveTeacher"]


class LiveTeacher:
    """
    A frozen network that runs on every batch.

    It is no ``nn.Module``, so no optimizer, checkpoint, ``train()`` call or distributed wrapper changes the teacher's
    weights, batch statistics or dropout. Layers are captured only while this object is called, so the network, or a
    part of it, can be used elsewhere in between.

    Args:
        network: the teacher; it is set to evaluation mode, and its gradients are switched off.
        layers: module names of the layers to capture; ``""`` is the network's output.

    Raises:
        ValueError: When a layer does not exist; at the call, when the network cannot take the image or does not return
            one tensor.

    Example:
        >>> import torch
        >>> teacher = LiveTeacher(torch.nn.Conv2d(1, 2, 1), layers=[""])
        >>> with teacher:
        ...     features = teacher(torch.rand(1, 1, 4, 4))
        >>> tuple(features[""].shape), features[""].requires_grad
        ((1, 2, 4, 4), False)
    """

    def __init__(self, network: nn.Module, layers: tuple[str, ...] | list[str]) -> None:
        self.network = network.eval()
        for parameter in network.parameters():  # one by one: TorchScript has no requires_grad_ of its own
            parameter.requires_grad_(False)
        self.layers = tuple(dict.fromkeys(layers))
        _require_layers(network, self.layers)
        # Hooks are for inner layers; the whole output comes from the inferer, which may join windows.
        self._hooks = FeatureHooks(network, inner_layers(self.layers))
        self._hooks.listening = False
        # Kept, because walking through a network at every step takes longer than checking each module's mode.
        self._modules = list(network.modules())
        self._outputs = [layer for layer in self.layers if layer not in self._hooks.layers]

    def to(self, device: torch.device) -> LiveTeacher:
        """Move the teacher's weights to a device, and return this object."""
        self.network.to(device)
        return self

    def __enter__(self) -> LiveTeacher:
        self._hooks.__enter__()
        self._modules = list(self.network.modules())
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.close()

    def __call__(self, image: torch.Tensor, inferer: Callable[..., Any] | None = None) -> dict[str, torch.Tensor]:
        """
        Args:
            image: the teacher's view of the batch, shape BNH[WD].
            inferer: MONAI's inferer. Defaults to None: the network is called once.

        Returns:
            Features by layer name, shape BMH[WD], without gradient history.
        """
        self._hooks.clear()
        self._hooks.listening = True
        try:
            with torch.no_grad():
                output = self._infer(image, inferer)
        finally:
            self._hooks.listening = False
        return {**self._hooks.pop(), **resolve(output, self._outputs, image, self._name, "teacher")}

    def output(self, image: torch.Tensor, inferer: Callable[..., Any] | None = None) -> torch.Tensor:
        """
        The network's output, with gradient history with respect to the image; the weights are frozen.

        Args:
            image: the teacher's view of the batch, shape BNH[WD].
            inferer: MONAI's inferer. Defaults to None: the network is called once.
        """
        return main_output(self._infer(image, inferer), image, self._name, "teacher")

    @property
    def _name(self) -> str:
        return f"The teacher {type(unwrap(self.network)).__name__}"

    def _infer(self, image: torch.Tensor, inferer: Callable[..., Any] | None) -> Any:
        # train() may have been called on a parent or a part of the network.
        if any(module.training for module in self._modules):
            self.network.eval()
        try:
            return self.network(plain(image)) if inferer is None else inferer(plain(image), self.network)
        except RuntimeError as error:
            if not is_of_shapes(error):
                raise
            name = type(unwrap(self.network)).__name__
            raise ValueError(
                f"The teacher {name} cannot take an image of shape {tuple(image.shape)}: "
                f"{first_line(error)}. Use a teacher with the student's input, or give it its own view (teacher_image)."
            ) from error


def _require_layers(network: nn.Module, layers: tuple[str, ...]) -> None:
    names = [name for name, _ in unwrap(network).named_modules()]
    missing = [name for name in (parse_layer(layer).module for layer in layers) if name not in names]
    if not missing or isinstance(unwrap(network), torch.jit.ScriptModule):
        return
    inner = [name for name in names if name]
    meant = closest(missing[0], inner) if inner else ""
    raise ValueError(
        f"No layer '{missing[0]}' in {type(unwrap(network)).__name__}, the teacher. Closest: '{meant}'. "
        "layer_shapes(network, image) lists them all. Without a teacher_layer, a Pathway looks for its student_layer "
        f"in the teacher: set it to the teacher's layer, such as '{meant}', or to teacher_layer='' for its output."
    )
