# SPDX-License-Identifier: Apache-2.0
"""Build teacher and student from a config, and run each once on an image of zeros."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn

from monai_kd.networks import ClassSubset
from monai_kd.outputs import main_output
from monai_kd.student_bundle.comparable_layers import Layer, all_layers
from monai_kd.student_bundle.teacher.data_format import BY_HAND, DataFormat
from monai_kd.utils.messages import first_cause, first_line

__all__ = ["Probed", "build", "probe", "probe_training"]


@dataclass(frozen=True)
class Probed:
    """A network in evaluation mode, and its layers by name."""

    network: nn.Module
    layers: dict[str, Layer]

    @property
    def name(self) -> str:
        """The class of the network, or of the one whose answer is reduced to a few classes."""
        return type(self.network.network if isinstance(self.network, ClassSubset) else self.network).__name__

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())


def build(parser: ConfigParser, name: str, whose: str) -> nn.Module:
    """
    Build a network of a config on the CPU; ``whose`` is "teacher" or "student", for the message.

    Raises:
        ValueError: When it cannot be built.
    """
    try:
        network = parser.get_parsed_content(name)
    except Exception as error:
        cause = first_cause(error)
        raise ValueError(
            f"The {whose} cannot be built from {parser[name]!r}: {type(cause).__name__}: {cause}. Correct the "
            "arguments."
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"The {whose}'s definition makes a {type(network).__name__}, not a network. Correct its _target_."
        )
    return network.cpu().eval()


def probe(network: nn.Module, data_format: DataFormat, whose: str) -> Probed:
    """
    Run a network once on an image of the size that the metadata give.

    A teacher of several outputs answers with its main one; a student must return one map.

    Raises:
        ValueError: When it cannot take the image, or does not return a map of logits of the same size.
    """
    given: list[Any] = []
    handle = network.register_forward_hook(lambda module, args, output: given.append(output))
    image = torch.zeros(_expected(data_format, 1, data_format.in_channels))
    with _told(f"The {whose}, {type(network).__name__}, cannot take an image of shape {tuple(image.shape)}"):
        try:
            layers = all_layers(network, image)
        finally:
            handle.remove()
    output = _main(given[0], image) if whose == "teacher" else given[0]
    _require(_shape(output), data_format, 1, f"The {whose}, {type(network).__name__},")
    return Probed(network, layers)


def probe_training(network: nn.Module, data_format: DataFormat) -> bool:
    """
    Run a student in training mode, in which some networks return more than one map; its batch statistics change.

    Returns:
        Whether it returns several maps (deep supervision).

    Raises:
        ValueError: When it cannot take the images, or does not return a map of logits.
    """
    who = f"The student, {type(network).__name__}, in training"
    image = torch.zeros(_expected(data_format, 2, data_format.in_channels))
    with _told(f"{who} cannot take images of shape {tuple(image.shape)}"), torch.no_grad():
        output = network.train()(image)
    main = main_output(output, image, "The student", "student")
    network.eval()
    _require(_shape(main), data_format, 2, who)
    return not isinstance(output, torch.Tensor) or output.shape != main.shape


def _main(output: Any, image: torch.Tensor) -> torch.Tensor:
    try:
        return main_output(output, image, "The teacher", "teacher")
    except ValueError as error:
        raise ValueError(
            f"{str(error).split(' Say which')[0]} One of them must be the answer: switch the others off, as by --set "
            f"teacher_def#deep_supervision=false, or write a network around it. {BY_HAND}"
        ) from None


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, TypeError) as error:
        raise ValueError(
            f"{what}, which the metadata give: {first_line(error)} Correct network_data_format, or choose another "
            "student."
        ) from error


def _require(given: str, data_format: DataFormat, count: int, who: str) -> None:
    expected = _expected(data_format, count, data_format.out_channels)
    if given != str(expected):
        raise ValueError(
            f"{who} gives {given} for an image of shape {_expected(data_format, count, data_format.in_channels)}, but "
            f"by the metadata it must return one map of logits of shape {expected}. {BY_HAND}"
        )


def _expected(data_format: DataFormat, count: int, channels: int) -> tuple[int, ...]:
    return (count, channels, *data_format.spatial_size)


def _shape(output: object) -> str:
    return str(tuple(output.shape)) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
