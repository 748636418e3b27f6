# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware training of a network's convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver
from torch.func import functional_call

__all__ = ["FakeQuantized"]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class FakeQuantized(nn.Module):
    """
    Runs a network with its convolutions rounded to 8 bits, so that training compensates for the rounding.

    The input and output of each convolution become q(x) = s · (clamp(round(x / s) + z, 0, 255) − z), with one scale s
    and zero point z for the tensor. Its weights are rounded to −127 … 127, with z = 0 and one scale for each output
    channel. This is what ONNX Runtime's static quantization does to convolutions. Normalization, activation and
    resizing stay in floating point. The ranges follow the data as moving averages in training, and are fixed in
    evaluation. Gradients ignore the rounding and are zero where values were clamped.

    The network keeps its layers and weight names, and computes as before when it is called by itself. Trainers, hooks
    and checkpoint savers of this package look inside the wrapper, as with ``DistributedDataParallel``: layer names and
    checkpoints are those of the plain network, for evaluation and export. ``quantizers`` holds the ranges, for
    resuming.

    Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
    inference", CVPR 2018, arXiv 1712.05877.

    Args:
        network: any network with convolutions; its other layers do not change.

    Raises:
        ValueError: When the network has no convolution; at the call, when it is evaluated before any training step.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> FakeQuantized(network)(torch.rand(2, 1, 8, 8)).shape
        torch.Size([2, 4, 6, 6])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        convolutions = _convolutions(network)
        if not convolutions:
            raise ValueError(
                f"{type(network).__name__} has no convolution, and only convolutions are quantized. Train it without "
                "FakeQuantized: its export as INT8 will be the float network."
            )
        self.unwrapped = network
        self.quantizers = nn.ModuleList(_Quantizers() for _ in convolutions)

    def forward(self, image: Tensor) -> Tensor:
        """The network's output with rounded convolutions, for an image of shape BNH[WD]."""
        first: Any = self.quantizers[0]
        if not self.training and torch.isinf(first.input.activation_post_process.min_val).any():
            raise ValueError(
                "FakeQuantized has seen no data yet, so it has no ranges for rounding. "
                "Run it in training mode on some images first, or load the state of a trained one."
            )
        convolutions = _convolutions(self.unwrapped)
        quantizers: dict[str, Any] = dict(zip(convolutions, self.quantizers, strict=True))
        weights = {f"{name}.weight": quantizers[name].weight(layer.weight) for name, layer in convolutions.items()}
        with _rounded(convolutions, quantizers):
            output: Tensor = functional_call(self.unwrapped, weights, (image,))
        return output


class _Quantizers(nn.Module):
    """The quantizers of one convolution's input, output and weight."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.output = _of_activations(), _of_activations()
        self.weight = FakeQuantize(  # type: ignore[no-untyped-call]
            MovingAveragePerChannelMinMaxObserver,
            quant_min=-127,
            quant_max=127,
            dtype=torch.qint8,
            qscheme=torch.per_channel_symmetric,
            ch_axis=0,
            averaging_constant=1.0,  # the range of the current weights, not of earlier steps
        )

    def train(self, mode: bool = True) -> _Quantizers:
        """Set the mode; ranges follow the data in training only."""
        super().train(mode)
        for quantizer in (self.input, self.output):
            quantizer.enable_observer(mode)
        return self


def _of_activations() -> FakeQuantize:
    return FakeQuantize(  # type: ignore[no-untyped-call]
        MovingAverageMinMaxObserver,
        quant_min=0,
        quant_max=255,
        dtype=torch.quint8,
        qscheme=torch.per_tensor_affine,
    )


def _convolutions(network: nn.Module) -> dict[str, nn.Module]:
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, CONVOLUTIONS)}


@contextmanager
def _rounded(convolutions: dict[str, nn.Module], quantizers: dict[str, Any]) -> Iterator[None]:
    """Register hooks for one forward pass only, so that the plain network and its copies have none."""

    def of_input(quantizer: Any) -> Any:
        return lambda layer, args: (_in_float32(quantizer, args[0]), *args[1:])

    def of_output(quantizer: Any) -> Any:
        return lambda layer, args, output: _in_float32(quantizer, output)

    handles = []
    try:
        for name, layer in convolutions.items():
            handles.append(layer.register_forward_pre_hook(of_input(quantizers[name].input)))
            handles.append(layer.register_forward_hook(of_output(quantizers[name].output)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _in_float32(quantizer: Any, x: Tensor) -> Tensor:
    """Quantize in float32, because scales in half precision would round more than 8 bits do."""
    rounded: Tensor = quantizer(x.float())
    return rounded.to(x.dtype)
