# SPDX-License-Identifier: Apache-2.0
"""Static quantization of the network's convolutions by ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_kd.export.optional_packages import package

__all__ = ["FEWEST", "layers", "require_enough", "write_int8"]

FEWEST = 8  # images; with fewer, the ranges depend too much on single images


def write_int8(
    source: Path, path: Path, images: Iterable[npt.NDArray[Any]], float_layers: Sequence[str] = ()
) -> list[str]:
    """
    Quantize the convolutions of an ONNX file: signed weights with one scale per output channel, unsigned activations.

    Everything else stays in floating point. Activations are unsigned because ONNX Runtime's x86 kernels multiply only
    unsigned by signed numbers. With signed activations it would run float convolutions after conversions, in 2.5 times
    the time.

    Args:
        source: the float file.
        path: the file to write.
        images: as the float file takes them, read one at a time; they set the ranges of all activations.
        float_layers: layers that stay in floating point, by their names or the names of modules around them.

    Returns:
        The layer names of the quantized convolutions.

    Raises:
        ImportError: When onnx or onnxruntime is not installed.
        ValueError: When a float layer does not exist, or no convolution is left to quantize.
    """
    onnx = package("onnx")
    tool = package("onnxruntime.quantization")
    of_layer = layers(onnx.load(source))
    kept = {name: layer for name, layer in of_layer.items() if any(_within(layer, wanted) for wanted in float_layers)}
    for wanted in float_layers:
        if not any(_within(layer, wanted) for layer in kept.values()):
            raise ValueError(
                f"float_layers: no convolution in a layer '{wanted}'. Choose from {', '.join(of_layer.values())}."
            )
    quantized = [layer for name, layer in of_layer.items() if name not in kept]
    if not quantized:
        raise ValueError("No convolution is left to quantize. Leave int8 out of --forms.")
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # hides the advice to optimize first, which would rename the layers
    try:
        tool.quantize_static(
            str(source),
            str(path),
            _reader(tool, images),
            quant_format=tool.QuantFormat.QDQ,
            per_channel=True,
            activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=list(kept),
        )
    finally:
        logger.setLevel(level)
    model = onnx.load(path)
    _round_for_convolutions_alone(model.graph)
    onnx.save(model, path)
    return quantized


def _round_for_convolutions_alone(graph: Any) -> None:
    """
    Use rounded values only as inputs of convolutions, and the original values elsewhere.

    So sums with skips stay in floating point, as :class:`monai_kd.networks.FakeQuantized` trains them.
    """
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type in ("Conv", "QuantizeLinear"):
            continue
        for i, name in enumerate(node.input):
            if name in made_by and made_by[name].op_type == "DequantizeLinear":
                rounding = made_by.get(made_by[name].input[0])
                original = rounding.input[0] if rounding is not None else name  # a weight does not change
                if original not in made_by or made_by[original].op_type != "Conv":
                    node.input[i] = original


def require_enough(images: int) -> None:
    """Refuse to calibrate with fewer than ``FEWEST`` images."""
    if images < FEWEST:
        raise ValueError(
            f"INT8 needs at least {FEWEST} images to calibrate with, got {images} training images. Name a larger data "
            "set with --dataset-dir, or leave int8 out of --forms."
        )


def layers(model: Any) -> dict[str, str]:
    """The layer name of each convolution in an ONNX model of ``write_onnx``, by node name."""
    return {node.name: _layer(node.input[1]) for node in model.graph.node if node.op_type == "Conv"}


def _layer(weight: str) -> str:
    return weight.removeprefix("network.").rpartition(".")[0] or weight


def _within(layer: str, wanted: str) -> bool:
    return layer == wanted or layer.startswith(f"{wanted}.")


def _reader(tool: Any, images: Iterable[npt.NDArray[Any]]) -> Any:
    class Reader(tool.CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(images)

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            image = next(self.rest, None)
            return None if image is None else {"image": np.ascontiguousarray(image)}

    return Reader()
