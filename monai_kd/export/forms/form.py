# SPDX-License-Identifier: Apache-2.0
"""What every exported form can do."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from monai_kd.export.graph import RawNetwork, Segmenter

__all__ = ["Arrays", "Form", "Pixels", "Runner", "Source", "around", "run_module"]

Pixels = npt.NDArray[np.generic]
Arrays = dict[str, npt.NDArray[Any]]
Runner = Callable[[npt.NDArray[Any]], Arrays]


@dataclass(frozen=True)
class Source:
    """
    What the forms of an export are written from.

    Args:
        module: the student, in evaluation mode.
        image: an input of it, shape (1, C, H, W[, D]).
        network_shape: of what the network alone takes, (1, C, W, H[, D]) in MONAI's order.
        onnx: the ONNX file, which is written first.
        images: for the calibration, each read when it is asked for.
        float_layers: layers that a rounded form leaves in floating point.
        description: short texts by name.
    """

    module: Segmenter | RawNetwork
    image: Pixels
    network_shape: tuple[int, ...]
    onnx: Path
    images: Sequence[Callable[[], Pixels]] = ()
    float_layers: Sequence[str] = ()
    description: Mapping[str, str] = field(default_factory=dict)


class Form(ABC):
    """
    A kind of file that a student is exported to.

    Attributes:
        name: as in ``--forms``.
        title: for tables.
        files: within the folder of an export; the first is the one that :meth:`load` takes.
        packages: what writing and running it need, as they are imported.
        is_rounded: whether it may differ from the bundle, as 8 bits do; it is then calibrated with real images.
        is_network: whether it holds the network alone, so that pixels are prepared and masks are made outside.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]] = ()
    is_rounded: ClassVar[bool] = False
    is_network: ClassVar[bool] = False

    @abstractmethod
    def write(self, source: Source, path: Path) -> None:
        """
        Write the files.

        Args:
            source: what they are written from.
            path: of the first file; its folder exists.

        Raises:
            ValueError: When the network cannot be written in this form.
        """

    @abstractmethod
    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """
        Load the form as a function from an array to arrays by output name.

        Args:
            path: of the first file.
            outputs: names of the outputs, in order; of a network alone, one name.
            threads: CPU threads.
            shape: the only input shape, if that makes the form faster; None means any.
        """


def run_module(module: nn.Module, outputs: Sequence[str]) -> Runner:
    """A PyTorch module, which takes a tensor and returns a tuple, as such a function."""

    def run(image: npt.NDArray[Any]) -> Arrays:
        with torch.inference_mode():
            answers = module(torch.from_numpy(image))
        return {name: answer.numpy() for name, answer in zip(outputs, answers, strict=True)}

    return run


def around(module: Segmenter | RawNetwork, network: Runner) -> Runner:
    """
    A student whose network is another form of its own.

    Args:
        module: prepares the pixels and makes the mask; its own network is not run.
        network: from the prepared image to ``{"logits": …}``.
    """

    class Outside(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(network(image.numpy())["logits"])

    other = copy.copy(module)
    other._modules = {**module._modules, "network": Outside()}
    return run_module(other, module.outputs)
