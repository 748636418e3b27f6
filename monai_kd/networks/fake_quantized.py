# SPDX-License-Identifier: Apache-2.0
"""A network that is trained as its INT8 form will compute."""

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
    Runs a network with its convolutions rounded to 8 bits, so that training makes up for the rounding.

    q(x) = s · (clamp(round(x / s) + z, 0, 255) − z) on what each convolution takes and returns, with one scale s and
    zero point z a tensor; the same on its weights with a scale an output channel, z = 0 and −127 … 127: what static
    quantization of ONNX Runtime does to convolutions. Normalization, activation and resizing stay in floating point. In
    training the ranges follow the data as moving averages; in evaluation they rest. Gradients pass as if nothing
    had been rounded, where nothing was clamped.

    The network keeps its layers, its weights and their names, and computes as before when it is called by itself.
    Trainers, hooks and checkpoint savers of this package see through the wrapper as through
    ``DistributedDataParallel``: layers are named as in the network, and a checkpoint is the plain network's, for
    evaluation and export. ``quantizers`` holds the ranges, for resuming.

    Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
    inference", CVPR 2018, arXiv 1712.05877.

    Args:
        network: any network with convolutions; others of its layers are left as they are.

    Raises:
        ValueError: When the network has no convolution; when it is evaluated before it was trained, without any range.

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
                f"{type(network).__name__} has no convolution, and only convolutions are quantized here. "
                "Train it as it is: its export as INT8 will be the float network."
            )
        self.unwrapped = network
        self.quantizers = nn.ModuleList(_Quantizers() for _ in convolutions)

    def forward(self, image: Tensor) -> Tensor:
        """
        What the network returns, computed with rounded convolutions.

        Args:
            image: what the network takes, shape BNH[WD].

        Returns:
            What the network returns.
        """
        first: Any = self.quantizers[0]
        if not self.training and torch.isinf(first.input.activation_post_process.min_val).any():
            raise ValueError(
                "FakeQuantized has seen no data yet, so it has no ranges to round within. "
                "Run it in training mode on some images first, or load the state of one that was trained."
            )
        convolutions = _convolutions(self.unwrapped)
        quantizers: dict[str, Any] = dict(zip(convolutions, self.quantizers, strict=True))
        weights = {f"{name}.weight": quantizers[name].weight(layer.weight) for name, layer in convolutions.items()}
        with _rounded(convolutions, quantizers):
            output: Tensor = functional_call(self.unwrapped, weights, (image,))
        return output


class _Quantizers(nn.Module):
    """Those of one convolution."""

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
            averaging_constant=1.0,  # the weights' own range, not that of former steps
        )

    def train(self, mode: bool = True) -> _Quantizers:
        """Ranges follow what is trained on, and nothing else."""
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
    """Hooks for one forward pass, so that the network by itself, and copies of it, stay free of them."""

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
    """Scales of half precision would round more than 8 bits do."""
    rounded: Tensor = quantizer(x.float())
    return rounded.to(x.dtype)
