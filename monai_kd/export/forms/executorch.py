# SPDX-License-Identifier: Apache-2.0
"""ExecuTorch, PyTorch's runtime for phones and boards, with the kernels of XNNPACK."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from monai_kd.export.forms.form import Arrays, Form, Runner, Source
from monai_kd.export.graph import RawNetwork, fused_norms
from monai_kd.export.optional_packages import package
from monai_kd.utils.messages import first_line

__all__ = ["ExecuTorch"]

SIDES = 16, 2048  # pixels; ExecuTorch plans its memory for the largest


class ExecuTorch(Form):
    """One image at a time, of any size up to 2048×2048."""

    name, title, files = "executorch", "ExecuTorch", ("student.pte",)
    packages = ("executorch",)

    def write(self, source: Source, path: Path) -> None:
        """Lower the module to XNNPACK."""
        exir = package("executorch.exir")
        xnnpack = package("executorch.backends.xnnpack.partition.xnnpack_partitioner")
        image, module = torch.from_numpy(source.image), source.module
        sides = {} if isinstance(module, RawNetwork) or image.ndim > 4 else dict(enumerate(("height", "width"), 2))
        shapes = {axis: torch.export.Dim(name, min=SIDES[0], max=SIDES[1]) for axis, name in sides.items()}
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                program = torch.export.export(fused_norms(module), (image,), dynamic_shapes=(shapes,))
                lowered = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
                path.write_bytes(lowered.to_executorch().buffer)
        except Exception as error:
            raise ValueError(
                f"{type(module.network).__name__} cannot be written for ExecuTorch: {first_line(error)}. Leave "
                "executorch out of --forms."
            ) from error

    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """Run it with the threads that ExecuTorch finds: its Python runtime has no option for them."""
        runtime = package("executorch.runtime")
        method = runtime.Runtime.get().load_program(path).load_method("forward")

        def run(image: npt.NDArray[Any]) -> Arrays:
            answers = method.execute([torch.from_numpy(image)])
            return {name: answer.clone().numpy() for name, answer in zip(outputs, answers, strict=True)}

        return run
