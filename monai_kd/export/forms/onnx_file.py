# SPDX-License-Identifier: Apache-2.0
"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from monai_kd.export.forms.form import Form, Runner, Source
from monai_kd.export.graph import RawNetwork, Segmenter, fused_norms, in_half_precision
from monai_kd.export.optional_packages import package
from monai_kd.export.sizes import FIXED, side_steps
from monai_kd.utils.messages import first_line

__all__ = ["Onnx", "describe", "load_onnx", "sides_of", "write_onnx"]

OPSET = 20


class Onnx(Form):
    """The form that is always written, and that others are made from."""

    name, title, files = "onnx", "ONNX", ("student.onnx",)
    packages = ("onnx", "onnxscript", "onnxruntime")

    def write(self, source: Source, path: Path) -> None:
        """Write the module by torch's exporter."""
        write_onnx(source.module, source.image.shape, path)
        describe(path, source.description)

    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """Run it by ONNX Runtime on the CPU, for any shape."""
        return load_onnx(path, outputs, threads)


def load_onnx(path: Path, outputs: Sequence[str], threads: int) -> Runner:
    """A file as a function from an array to arrays by output name, run by ONNX Runtime on so many CPU threads."""
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: dict(zip(outputs, session.run(list(outputs), {"image": image}), strict=True))


def write_onnx(module: Segmenter | RawNetwork, shape: tuple[int, ...], path: Path, in_half: bool = False) -> None:
    """
    Write a module as ONNX, with the input ``image`` and the outputs that the module names.

    It uses torch's newer exporter, of ``torch.export``: it writes 88 nodes for the default student, where the
    deprecated tracing exporter writes 204, at the same speed in ONNX Runtime.

    Args:
        module: in evaluation mode.
        shape: of one image. In the file the batch size can vary, and the sides, too, unless the module is a network
            that takes one size alone. :func:`sides_of` reads which.
        path: file to write.
        in_half: write the network, but not what is before and after it, in FP16.

    Raises:
        ImportError: When onnx or onnxscript is not installed.
        ValueError: When the exporter refuses the network.
    """
    onnx = package("onnx")
    package("onnxscript")
    ready = fused_norms(in_half_precision(module) if in_half else module)
    steps = [1] if isinstance(module, Segmenter) else [*side_steps(module.network, shape), FIXED]
    for step in steps:
        try:
            _export(ready, module, shape, step, path)
            if isinstance(module, RawNetwork) and step != FIXED:
                _require_another_size(module, shape, step, path, 0.02 if in_half else 0.001)
            break
        except Exception as error:
            if step == steps[-1]:
                raise ValueError(
                    f"{type(module.network).__name__} cannot be written as ONNX: {first_line(error)}. Its forward() "
                    "may only use operations that torch.export takes; run torch.export.export on the network for the "
                    "whole message."
                ) from error
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces: a third of the file, with folders of this machine
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _export(ready: nn.Module, module: Segmenter | RawNetwork, shape: tuple[int, ...], step: int, path: Path) -> None:
    is_whole = isinstance(module, Segmenter)
    names = ("height", "width") if is_whole and len(shape) == 4 else ("width", "height", "depth")
    axes: dict[int, Any] = {0: torch.export.Dim("batch")}
    sides = list(shape[2:])
    for axis, name in enumerate(names[: len(sides)] if step != FIXED else ()):
        axes[axis + 2] = torch.export.Dim(name) if step == 1 else step * torch.export.Dim(name)
        sides[axis] = max(sides[axis], 2 * step)  # torch takes a size of 1 for one that never changes
    dtype = torch.uint8 if len(shape) == 4 and is_whole else torch.float32
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # hides messages about operators of packages that are not installed
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                ready,
                (torch.zeros((2, shape[1], *sides), dtype=dtype),),
                str(path),
                dynamo=True,
                dynamic_shapes=(axes,),
                input_names=["image"],
                output_names=module.outputs,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
    finally:
        logger.setLevel(level)


def _require_another_size(module: RawNetwork, shape: Sequence[int], step: int, path: Path, tolerance: float) -> None:
    """Run a file on an image of longer sides; ValueError if the answer is not the network's own."""
    sides = (side + step for side in shape[2:])
    image = torch.randn(1, shape[1], *sides, generator=torch.Generator().manual_seed(0))
    given = load_onnx(path, module.outputs, 1)(image.numpy())[module.outputs[0]]
    with torch.no_grad():
        own = module(image)[0].numpy()
    if given.shape != own.shape or np.abs(given - own).max() > tolerance * np.abs(own).max():
        raise ValueError(f"the file gives another answer than the network for an image of shape {tuple(image.shape)}")


def sides_of(path: Path) -> str:
    """The sides that a file of :func:`write_onnx` takes: ``any``, ``fixed``, or ``multiples of 8``."""
    side = package("onnx").load(path).graph.input[0].type.tensor_type.shape.dim[2]
    step, times, _ = side.dim_param.partition("*")
    return f"multiples of {step}" if times else "any" if step else "fixed"


def describe(path: Path, description: Mapping[str, str]) -> None:
    """Add short texts, by name, to the metadata of an ONNX file."""
    onnx = package("onnx")
    model = onnx.load(path)
    known = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**known, **description})
    onnx.save(model, path)
