# SPDX-License-Identifier: Apache-2.0
"""Every exported form as one call: pixels in, arrays out."""

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
    "int8": "student.int8.onnx",
    "openvino": "openvino/student.xml",
    "torchscript": "student.ts",
}
"""The file of each form in an export's folder."""


def load_form(path: Path, outputs: Sequence[str], threads: int = 1, shape: Sequence[int] | None = None) -> Runner:
    """
    Load an exported file.

    Args:
        path: ``.onnx``, ``.xml`` of OpenVINO or ``.ts``.
        outputs: names of what it returns, in order.
        threads: of the CPU; of TorchScript those of this process.
        shape: the only one that will come, for OpenVINO, which is faster then. Defaults to None: any.

    Returns:
        A function from an array to arrays by output.

    Raises:
        FileNotFoundError: When there is no such file.
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
        raise ValueError(f"'{path}' is of no known form. There are {', '.join(FORMS.values())}.")
    try:
        return load(path, list(outputs), threads, shape)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"'{path}' cannot be loaded: {first_line(error)}. Export it again.") from error


def run_module(module: nn.Module, outputs: Sequence[str]) -> Runner:
    """
    A module of this process.

    Args:
        module: takes a tensor, returns a tuple.
        outputs: names of what it returns, in order.

    Returns:
        A function from an array to arrays by output.
    """

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
    # On CPUs that have it, OpenVINO would round everything to bfloat16.
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.compile_model(model, "CPU", settings).create_infer_request()

    def run(image: npt.NDArray[Any]) -> Arrays:
        answers = request.infer({"image": image})
        return {name: np.array(answers[name]) for name in outputs}

    return run


def _torchscript(path: Path, outputs: list[str], threads: int, shape: Sequence[int] | None) -> Runner:
    module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    return run_module(module, outputs)
