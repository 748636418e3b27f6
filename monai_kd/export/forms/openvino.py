# SPDX-License-Identifier: Apache-2.0
"""OpenVINO, in floating point and in 8 bits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from monai_kd.export.forms.form import Arrays, Form, Runner, Source
from monai_kd.export.forms.onnx_int8 import chosen_layers
from monai_kd.export.optional_packages import package

__all__ = ["OpenVino", "OpenVinoInt8"]

CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData")


class OpenVino(Form):
    """The ONNX file, converted."""

    name, title, files = "openvino", "OpenVINO", ("openvino/student.xml", "openvino/student.bin")
    packages: ClassVar[tuple[str, ...]] = ("openvino",)

    def write(self, source: Source, path: Path) -> None:
        """Convert the ONNX file, with weights in 32 bits."""
        openvino = package("openvino")
        openvino.save_model(openvino.convert_model(source.onnx), path, compress_to_fp16=False)

    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """Run it on the CPU; one shape is faster than any."""
        openvino = package("openvino")
        model = openvino.Core().read_model(path)
        if shape is not None:
            model.reshape(list(shape))
        # Without f32, OpenVINO would round everything to bfloat16 on CPUs that have it.
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.compile_model(model, "CPU", settings).create_infer_request()

        def run(image: npt.NDArray[Any]) -> Arrays:
            answers = request.infer({"image": image})
            return {name: np.array(answers[name]) for name in outputs}

        return run


class OpenVinoInt8(OpenVino):
    """
    The network quantized by NNCF: convolutions, sums and resizing between them, so that few numbers are converted back.

    The steps before and after the network stay in floating point.
    """

    name, title = "openvino_int8", "OpenVINO INT8"
    files = ("openvino/student.int8.xml", "openvino/student.int8.bin")
    packages, is_rounded = ("openvino", "nncf"), True

    def write(self, source: Source, path: Path) -> None:
        """Quantize the ONNX file by the ranges of the images."""
        openvino, nncf, onnx = package("openvino"), package("nncf"), package("onnx")
        nncf.set_log_level(logging.ERROR)
        kept, _ = chosen_layers(onnx.load(source.onnx), source.float_layers)
        model = openvino.convert_model(source.onnx)
        ops = model.get_ordered_ops()
        places = [place for place, op in enumerate(ops) if op.get_type_name() in CONVOLUTIONS]
        outside = [op for op in (*ops[: places[0]], *ops[places[-1] + 1 :]) if op.get_type_name() != "Constant"]
        ignored = [op.get_friendly_name() for op in outside]
        ignored += [op.get_friendly_name() for op in ops if op.get_friendly_name().split("/")[0] in kept]
        quantized = nncf.quantize(
            model,
            nncf.Dataset(list(source.images), lambda read: {"image": np.ascontiguousarray(read())}),
            subset_size=len(source.images),
            ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
        )
        openvino.save_model(quantized, path, compress_to_fp16=False)
