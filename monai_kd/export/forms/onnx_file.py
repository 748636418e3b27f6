# SPDX-License-Identifier: Apache-2.0
"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from monai_kd.export.forms.form import Form, Runner, Source
from monai_kd.export.graph import RawNetwork, Segmenter, fused_norms
from monai_kd.export.optional_packages import package
from monai_kd.utils.messages import first_line

__all__ = ["Onnx", "describe", "load_onnx", "write_onnx"]

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


def write_onnx(module: Segmenter | RawNetwork, shape: tuple[int, ...], path: Path) -> None:
    """
    Write a module as ONNX, with the input ``image`` and the outputs that the module names.

    It uses torch's newer exporter, of ``torch.export``: it writes 88 nodes for the default student, where the
    deprecated tracing exporter writes 204, at the same speed in ONNX Runtime.

    Args:
        module: in evaluation mode.
        shape: of one image. In the file the batch size can vary, and for a :class:`Segmenter` height and width, too.
        path: file to write.

    Raises:
        ImportError: When onnx or onnxscript is not installed.
        ValueError: When the exporter refuses the network.
    """
    onnx = package("onnx")
    package("onnxscript")
    raw = isinstance(module, RawNetwork)
    dtype = torch.uint8 if len(shape) == 4 and not raw else torch.float32
    image = torch.zeros((2, *shape[1:]), dtype=dtype)
    names = {0: "batch"} if raw else {0: "batch", **dict(enumerate(("height", "width", "depth")[: len(shape) - 2], 2))}
    axes = {axis: torch.export.Dim(name) for axis, name in names.items()}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # hides messages about operators of packages that are not installed
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                fused_norms(module),
                (image,),
                str(path),
                dynamo=True,
                dynamic_shapes=(axes,),
                input_names=["image"],
                output_names=module.outputs,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        raise ValueError(
            f"{type(module.network).__name__} cannot be written as ONNX: {first_line(error)}. Its forward() may only "
            "use operations that torch.export takes; run torch.export.export on the network for the whole message."
        ) from error
    finally:
        logger.setLevel(level)
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces: a third of the file, with folders of this machine
    onnx.checker.check_model(model)
    onnx.save(model, path)


def describe(path: Path, description: Mapping[str, str]) -> None:
    """Add short texts, by name, to the metadata of an ONNX file."""
    onnx = package("onnx")
    model = onnx.load(path)
    known = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**known, **description})
    onnx.save(model, path)
