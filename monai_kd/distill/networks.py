# SPDX-License-Identifier: Apache-2.0
"""Teacher and student made of a config, and run once on an image of zeros."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.bundle import ConfigParser
from torch import nn

from monai_kd.distill.data_format import BY_HAND, DataFormat
from monai_kd.distill.layers import Layer, all_layers

__all__ = ["Probed", "probe"]


@dataclass(frozen=True)
class Probed:
    """
    A network and what its layers gave.

    Args:
        network: in evaluation mode.
        layers: by name.
    """

    network: nn.Module
    layers: dict[str, Layer]

    @property
    def parameters(self) -> int:
        """How many."""
        return sum(parameter.numel() for parameter in self.network.parameters())


def build(parser: ConfigParser, name: str, whose: str) -> nn.Module:
    """
    A network of a config.

    Args:
        parser: of the config.
        name: the network's id.
        whose: "teacher" or "student", for the message.

    Raises:
        ValueError: When it cannot be made.
    """
    try:
        network = parser.get_parsed_content(name)
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise ValueError(
            f"The {whose}'s definition {parser[name]!r} makes no network: {type(cause).__name__}: {cause}. Correct its "
            "arguments."
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"The {whose}'s definition gives a {type(network).__name__}, not a network.")
    return network.cpu().eval()


def probe(network: nn.Module, data_format: DataFormat, whose: str) -> Probed:
    """
    Run a network as the metadata says that it is run.

    Args:
        network: on the CPU.
        data_format: what it is to take and give.
        whose: "teacher" or "student", for the message.

    Raises:
        ValueError: When it cannot take the image, or gives something else than one map of logits of its size.
    """
    shape = (1, data_format.in_channels, *data_format.spatial_size)
    expected = (1, data_format.out_channels, *data_format.spatial_size)
    kind = type(network).__name__
    given: list[str] = []
    handle = network.register_forward_hook(lambda module, args, output: given.append(_shape(output)))
    try:
        layers = all_layers(network, torch.zeros(shape))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ValueError(
            f"The {whose}, {kind}, cannot take an image of shape {shape}, the metadata's: "
            f"{str(error).splitlines()[0]} Correct network_data_format, or choose another student."
        ) from error
    finally:
        handle.remove()
    if given != [str(expected)]:
        raise ValueError(
            f"The {whose}, {kind}, gives {given[0]} for an image of shape {shape}, and one map of logits of shape "
            f"{expected} is needed, as the metadata describes it. {BY_HAND}"
        )
    return Probed(network, layers)


def _shape(output: object) -> str:
    return str(tuple(output.shape)) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
