# SPDX-License-Identifier: Apache-2.0
"""Parameters, operations and time of a network."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from monai_kd.bundle.config_files import read_file

__all__ = ["Cost", "network_cost", "read_network"]

WARM_UP, ROUNDS = 5, 30


@dataclass(frozen=True)
class Cost:
    """
    The cost of one image through a network.

    Args:
        parameters: number of trainable parameters.
        flops: floating-point operations of convolutions and matrix products; one multiply-add is two.
        milliseconds: median time on one CPU thread.
    """

    parameters: int
    flops: int
    milliseconds: float


def _convolution(image: list[int], weight: list[int], *_: Any, out_shape: list[int], **__: Any) -> int:
    return conv_flop_count(image, weight, out_shape)


# What torch does not count: the call of SingleVolumeConv3d.
FURTHER = {torch.ops.aten.mkldnn_convolution: _convolution}


def read_network(config: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """The network of an evaluation config, without its weights, and the shape (1, C, …) of its input."""
    parser = ConfigParser(read_file(config))
    network: nn.Module = parser.get_parsed_content("network_def")
    size: list[int] = parser.get_parsed_content("spatial_size")
    definition: Any = parser.get("network_def")
    while isinstance(definition, str) and definition.startswith("@"):  # the teacher's definition has its own id
        definition = parser.get(definition[1:])
    return network, (1, int(definition.get("in_channels", 1)), *size)


def network_cost(network: nn.Module, shape: tuple[int, ...]) -> Cost:
    """
    Measure a network, which is on the CPU, on one thread.

    Example:
        >>> cost = network_cost(nn.Conv2d(1, 2, 3, bias=False), (1, 1, 4, 4))
        >>> cost.parameters, cost.flops
        (18, 144)
    """
    image = torch.zeros(shape)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times = []
    try:
        with torch.inference_mode():
            network.eval()
            with FlopCounterMode(display=False, custom_mapping=FURTHER) as counter:
                network(image)
            for _ in range(WARM_UP + ROUNDS):
                start = time.perf_counter()
                network(image)
                times.append(1000 * (time.perf_counter() - start))
    finally:
        torch.set_num_threads(threads)
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return Cost(parameters, counter.get_total_flops(), statistics.median(times[WARM_UP:]))
