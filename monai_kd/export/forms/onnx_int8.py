# SPDX-License-Identifier: Apache-2.0
"""ONNX that ONNX Runtime has quantized to 8 bits."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_kd.export.forms.form import Form, Runner, Source
from monai_kd.export.forms.onnx_file import describe, load_onnx
from monai_kd.export.optional_packages import package

__all__ = ["OnnxInt8", "between_convolutions", "chosen_layers", "layers", "write_int8"]

INTEGERS = {"Add", "Conv", "Relu", "Resize"}  # what ONNX Runtime quantizes here
ROUNDED = {"Conv", "QuantizeLinear"}
NOTHING_LEFT = "No convolution is left to quantize. Leave the forms of 8 bits out of --forms."


class OnnxInt8(Form):
    """Convolutions in 8 bits; without normalization between them, all that is between the first and the last."""

    name, title, files = "int8", "INT8", ("student.int8.onnx",)
    packages, is_rounded = ("onnx", "onnxruntime"), True

    def write(self, source: Source, path: Path) -> None:
        """Quantize the ONNX file by the ranges of the images."""
        layers = write_int8(source.onnx, path, (read() for read in source.images), source.float_layers)
        more = {"int8_layers": json.dumps(layers), "calibration_images": str(len(source.images))}
        describe(path, {**source.description, **more})

    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """Run it by ONNX Runtime on the CPU, for any shape."""
        return load_onnx(path, outputs, threads)


def write_int8(
    source: Path, path: Path, images: Iterable[npt.NDArray[Any]], float_layers: Sequence[str] = ()
) -> list[str]:
    """
    Quantize an ONNX file: signed weights with one scale per output channel, unsigned activations.

    Convolutions are quantized, and everything else stays in floating point. But where nothing normalizes between the
    convolutions, activations, sums and resizing are quantized, too, and the first and the last convolution stay in
    floating point. So numbers are converted only twice (:func:`between_convolutions`).

    Activations are unsigned because ONNX Runtime's x86 kernels multiply only unsigned by signed numbers. With signed
    activations it would run float convolutions after conversions, in 2.5 times the time.

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
    model = onnx.load(source)
    kept, quantized = chosen_layers(model, float_layers)
    inner = between_convolutions(model.graph)
    outside = [node.name for node in model.graph.node if inner and node.name not in inner]
    if inner:
        quantized = [layer for name, layer in layers(model).items() if name in inner and name not in kept]
        if not quantized:
            raise ValueError(NOTHING_LEFT)
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
            op_types_to_quantize=list(INTEGERS) if inner else ["Conv"],
            nodes_to_exclude=[*kept, *outside],
        )
    finally:
        logger.setLevel(level)
    model = onnx.load(path)
    nodes = model.graph.node
    # ONNX Runtime would quantize a convolution whose input and output are rounded.
    in_float = [node for node in nodes if node.name in kept or (not inner and node.op_type not in ROUNDED)]
    _use_original_values(model.graph, in_float)
    onnx.save(model, path)
    return quantized


def between_convolutions(graph: Any) -> set[str]:
    """
    The nodes between the first and the last convolution, if ONNX Runtime can compute all of them in 8 bits.

    It can with batch normalization, which the exporter has folded into the convolutions.

    Args:
        graph: of :func:`write_onnx`.

    Returns:
        Their names; empty if a node computes in floating point, as instance normalization does, or if no convolution is
        between the two.
    """
    places = [place for place, node in enumerate(graph.node) if node.op_type == "Conv"]
    features, inner = set(graph.node[places[0]].output), []
    for node in graph.node[places[0] + 1 : places[-1]]:
        if node.op_type != "Shape" and features.intersection(node.input):  # others compute sizes
            features.update(node.output)
            inner.append(node)
    kinds = {node.op_type for node in inner}
    return {node.name for node in inner} if "Conv" in kinds and kinds <= INTEGERS else set()


def _use_original_values(graph: Any, nodes: Iterable[Any]) -> None:
    """
    Give nodes the original values in place of the rounded ones.

    So sums with skips stay in floating point, as :class:`monai_kd.networks.FakeQuantized` trains them.
    """
    made_by = {output: node for node in graph.node for output in node.output}
    for node in nodes:
        for i, name in enumerate(node.input):
            if name in made_by and made_by[name].op_type == "DequantizeLinear":
                rounding = made_by.get(made_by[name].input[0])
                original = rounding.input[0] if rounding is not None else name  # a weight does not change
                if original not in made_by or made_by[original].op_type != "Conv":
                    node.input[i] = original


def chosen_layers(model: Any, float_layers: Sequence[str]) -> tuple[list[str], list[str]]:
    """
    Which convolutions of an ONNX model stay in floating point, by node name, and which do not, by layer name.

    Raises:
        ValueError: When a float layer does not exist, or no convolution is left to quantize.
    """
    of_layer = layers(model)
    kept = {name: layer for name, layer in of_layer.items() if any(_within(layer, wanted) for wanted in float_layers)}
    for wanted in float_layers:
        if not any(_within(layer, wanted) for layer in kept.values()):
            raise ValueError(
                f"float_layers: no convolution in a layer '{wanted}'. Choose from {', '.join(of_layer.values())}."
            )
    quantized = [layer for name, layer in of_layer.items() if name not in kept]
    if not quantized:
        raise ValueError(NOTHING_LEFT)
    return list(kept), quantized


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
