# SPDX-License-Identifier: Apache-2.0
"""A module as an ONNX file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from monai_kd.export.graph import RawNetwork, Segmenter, fused_norms
from monai_kd.export.optional_packages import package
from monai_kd.utils.messages import first_line

__all__ = ["describe", "write_onnx"]

OPSET = 20


def write_onnx(module: Segmenter | RawNetwork, shape: tuple[int, ...], path: Path) -> None:
    """
    Write a module as ONNX: input ``image``, outputs as the module names them.

    torch has two exporters. This is the newer one, of ``torch.export``: for the default student it writes 88 nodes
    where the tracing one writes 204, which ONNX Runtime runs no faster, and the tracing one is being given up.

    Args:
        module: in evaluation mode.
        shape: of one image; of a segmenter's batch, height and width may change, of a network alone the batch.
        path: of the file.

    Raises:
        ImportError: When onnx or onnxscript is not installed.
        ValueError: When the exporter cannot take the network.
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
    logger.setLevel(logging.ERROR)  # it tells which operators of packages that are not installed it leaves out
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
            f"{type(module.network).__name__} cannot be written as ONNX: {first_line(error)}. Its forward must be "
            "made of operations that torch.export takes; try torch.export.export on it alone for the whole message."
        ) from error
    finally:
        logger.setLevel(level)
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]  # where each came from: a third of the text, with folders of this machine
    onnx.checker.check_model(model)
    onnx.save(model, path)


def describe(path: Path, description: Mapping[str, str]) -> None:
    """
    Add what a file holds to its own metadata.

    Args:
        path: of an ONNX file.
        description: short texts by name.
    """
    onnx = package("onnx")
    model = onnx.load(path)
    known = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**known, **description})
    onnx.save(model, path)
