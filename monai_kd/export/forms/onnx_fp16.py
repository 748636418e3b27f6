# SPDX-License-Identifier: Apache-2.0
"""ONNX whose network computes with 16 bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai_kd.export.forms.form import Form, Runner, Source
from monai_kd.export.forms.onnx_file import describe, load_onnx, write_onnx

__all__ = ["OnnxFp16"]


class OnnxFp16(Form):
    """The network in FP16, for devices that are faster with it; pixels are scaled, and masks made, in FP32."""

    name, title, files = "fp16", "FP16", ("student.fp16.onnx",)
    packages = ("onnx", "onnxscript", "onnxruntime")
    slack = 20.0  # a number of FP16 has 11 bits

    def write(self, source: Source, path: Path) -> None:
        """Write the module, its network in half precision, by torch's exporter."""
        write_onnx(source.module, source.image.shape, path, in_half=True)
        describe(path, source.description)

    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """Run it by ONNX Runtime, which converts to FP32 on the CPU, for any shape."""
        return load_onnx(path, outputs, threads)
