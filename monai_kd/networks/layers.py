# SPDX-License-Identifier: Apache-2.0
"""Names of the layers of a U-Net that a pathway can compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai.networks.nets import FlexibleUNet, UNet
from torch import nn

from monai_kd.networks.separable_unet import SeparableUNet
from monai_kd.networks.student_unet import StudentUNet
from monai_kd.outputs import watch_layers

__all__ = ["Layers", "layers_of"]


@dataclass(frozen=True)
class Layers:
    """
    Names and channels of the layers in a U-Net's encoder and decoder.

    Args:
        encoder: layers from the highest resolution down; the last one gives the deepest feature.
        encoder_channels: one number for each of them.
        decoder: layers from the deepest up; the last one gives the feature before the logits.
        decoder_channels: one number for each of them.

    Example:
        >>> Layers(("encoder.levels.0",), (8,), ("decoder.levels.0",), (8,)).encoder[-1]
        'encoder.levels.0'
    """

    encoder: tuple[str, ...]
    encoder_channels: tuple[int, ...]
    decoder: tuple[str, ...]
    decoder_channels: tuple[int, ...]


def layers_of(network: nn.Module) -> Layers:
    """
    Find the layers of a U-Net, so that the pathway of a config works with any of these teachers.

    Args:
        network: MONAI's ``UNet`` (2D or 3D, of at least two levels), MONAI's ``FlexibleUNet`` with any encoder
            (:class:`PretrainedUNet` is one), :class:`StudentUNet` or :class:`SeparableUNet`.

    Returns:
        Names and channels. The first level of an encoder has half the image's resolution, and the image's own in a
        :class:`SeparableUNet`. The decoder of MONAI's ``UNet`` ends with the concatenated feature ``"model.1"``.

    Raises:
        ValueError: When the network is of another class.

    Example:
        >>> layers = layers_of(StudentUNet(2, 1, 2, channels=(4, 8, 16)))
        >>> layers.encoder[-1], layers.encoder_channels, layers.decoder[-1]
        ('encoder.levels.2', (4, 8, 16), 'decoder.levels.1')
        >>> unet = UNet(spatial_dims=2, in_channels=1, out_channels=2, channels=(4, 8, 16), strides=(2, 2))
        >>> layers_of(unet).encoder
        ('model.0', 'model.1.submodule.0', 'model.1.submodule.1.submodule')
    """
    if isinstance(network, UNet):
        return _unet(list(network.channels))
    if isinstance(network, FlexibleUNet):
        return _flexible(network)
    if isinstance(network, StudentUNet | SeparableUNet):
        encoder = [f"encoder.levels.{i}" for i in range(len(network.encoder.levels))]
        decoder = [f"decoder.levels.{i}" for i in range(len(network.decoder.levels))]
        smallest = 2 ** (len(encoder) + 1)
        return _named(encoder, decoder, _outputs(network, network.in_channels, network.spatial_dims, smallest))
    raise ValueError(
        f"The layers of {type(network).__name__} are not known, only those of UNet, FlexibleUNet, PretrainedUNet, "
        "StudentUNet and SeparableUNet. Write your network's layers into the config: 'teacher_layers' "
        "with 'encoder', 'encoder_channels', 'decoder' and 'decoder_channels' (monai_kd.networks.Layers); "
        "monai_kd.layer_shapes lists them."
    )


def _unet(channels: list[int]) -> Layers:
    """Layers of MONAI's UNet, where each level holds the next one as ``1.submodule``; the innermost is the deepest."""
    levels = len(channels)
    inner = [".".join(["model", *["1.submodule"] * depth]) for depth in range(levels)]
    encoder = [f"{name}.0" for name in inner[:-1]] + inner[-1:]
    depths = range(max(levels - 2, 1), 0, -1)
    given = [channels[depth - 1] if depth < levels - 1 else channels[depth] for depth in depths]
    return Layers(
        tuple(encoder),
        tuple(channels),
        (*(inner[depth] for depth in depths), "model.1"),
        (*given, channels[0] + given[-1]),
    )


def _flexible(network: FlexibleUNet) -> Layers:
    """Layers of a FlexibleUNet: the last layer that returned the very tensor of an encoder feature names it."""
    weight = next(parameter for parameter in network.encoder.parameters() if parameter.dim() > 3)
    outputs = _outputs(network, weight.shape[1], weight.dim() - 2, side=64)
    features = [feature for feature in outputs["encoder"] if feature is not None]
    encoder = [[name for name, value in outputs.items() if value is feature][-1] for feature in features]
    return _named(encoder, [f"decoder.blocks.{i}" for i in range(len(network.decoder.blocks))], outputs)


def _named(encoder: list[str], decoder: list[str], outputs: dict[str, Any]) -> Layers:
    def channels(names: list[str]) -> tuple[int, ...]:
        return tuple(outputs[name].shape[1] for name in names)

    return Layers(tuple(encoder), channels(encoder), tuple(decoder), channels(decoder))


def _outputs(network: nn.Module, in_channels: int, spatial_dims: int, side: int) -> dict[str, Any]:
    """The output of each layer for an empty image, in the order of execution; the network's modes do not change."""
    outputs: dict[str, Any] = {}

    def note(layer: str, module: nn.Module, output: Any) -> None:
        if not isinstance(module, nn.Identity):  # it returns the tensor of the layer before
            outputs[layer] = output

    watch_layers(network, next(network.parameters()).new_zeros(1, in_channels, *[side] * spatial_dims), note)
    return outputs
