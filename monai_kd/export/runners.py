# SPDX-License-Identifier: Apache-2.0
"""Exported forms as functions from an array to arrays by output name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from monai_kd.export.optional_packages import package
from monai_kd.utils.messages import first_line

__all__ = ["FORMS", "Arrays", "Runner", "load_form", "run_module"]

Arrays = dict[str, npt.NDArray[Any]]
Runner = Callable[[npt.NDArray[Any]], Arrays]

FORMS = {
    "onnx": "student.onnx",
    "fp16": "student.fp16.onnx",
    "int8": "student.int8.onnx",
    "openvino": "openvino/student.xml",
    "torchscript": "student.ts",
}
"""The file of each form in an export's folder."""


def load_form(path: Path, outputs: Sequence[str], threads: int = 1, shape: Sequence[int] | None = None) -> Runner:
    """
    Load an exported file as a function from an array to arrays by output name.

    Args:
        path: ``.onnx``, ``.xml`` of OpenVINO or ``.ts``.
        outputs: names of its outputs, in order.
        threads: CPU threads; TorchScript ignores them and uses the process's.
        shape: the only input shape, which makes OpenVINO faster. Defaults to None: any shape.

    Raises:
        FileNotFoundError: When the file does not exist.
        ImportError: When the package that runs the form is not installed.
        ValueError: When the file cannot be loaded.

    Example:
        >>> load_form(Path("student.onnx"), ["mask"])
        Traceback (most recent call last):
        FileNotFoundError: No file 'student.onnx'. Export that form, or leave it out.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No file '{path}'. Export that form, or leave it out.")
    load = {".onnx": _onnx_runtime, ".xml": _openvino, ".ts": _torchscript}.get(path.suffix)
    if load is None:
        raise ValueError(f"'{path}' is of no known form. Give a file such as {', '.join(FORMS.values())}.")
    try:
        return load(path, list(outputs), threads, shape)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"'{path}' cannot be loaded: {first_line(error)}. Export it again.") from error


def run_module(module: nn.Module, outputs: Sequence[str]) -> Runner:
    """A PyTorch module, which takes a tensor and returns a tuple, as such a function."""

    def run(image: npt.NDArray[Any]) -> Arrays:
        with torch.inference_mode():
            answers = module(torch.from_numpy(image))
        return {name: answer.numpy() for name, answer in zip(outputs, answers, strict=True)}

    return run


def _onnx_runtime(path: Path, outputs: list[str], threads: int, shape: Sequence[int] | None) -> Runner:
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: dict(zip(outputs, session.run(outputs, {"image": image}), strict=True))


def _openvino(path: Path, outputs: list[str], threads: int, shape: Sequence[int] | None) -> Runner:
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


def _torchscript(path: Path, outputs: list[str], threads: int, shape: Sequence[int] | None) -> Runner:
    module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    return run_module(module, outputs)
