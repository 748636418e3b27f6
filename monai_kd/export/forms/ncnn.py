# SPDX-License-Identifier: Apache-2.0
"""ncnn, a small runtime for phones and boards."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from monai_kd.export.forms.form import Arrays, Form, Runner, Source
from monai_kd.export.graph import RawNetwork, fused_norms
from monai_kd.export.optional_packages import package

__all__ = ["Ncnn"]

INPUT, OUTPUT = "in0", "out0"  # what pnnx calls them


class _Logits(torch.nn.Module):
    """The network's output as one tensor, as pnnx takes it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = RawNetwork(network)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(image)[0]
        return logits


class Ncnn(Form):
    """The network alone, for a prepared image of one size; weights in 32 bits."""

    name, title, files = "ncnn", "ncnn", ("ncnn/student.param", "ncnn/student.bin")
    packages, is_network = ("ncnn", "pnnx"), True

    def write(self, source: Source, path: Path) -> None:
        """Trace the network, and convert it by pnnx."""
        pnnx, network = package("pnnx"), source.module.network
        image = torch.zeros(source.network_shape)
        with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
            traced = torch.jit.trace(_Logits(fused_norms(network)).eval(), image, check_trace=False)  # type: ignore[no-untyped-call]
            traced.save(f"{scratch}/student.pt")
            shape = str(list(image.shape)).replace(" ", "")
            done = subprocess.run(
                [pnnx.EXEC_PATH, "student.pt", f"inputshape={shape}", "fp16=0"],
                cwd=scratch,
                capture_output=True,
                text=True,
                check=False,
            )
            made = [Path(scratch, f"student.ncnn{Path(file).suffix}") for file in self.files]
            if done.returncode or not all(file.is_file() for file in made):
                said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
                raise ValueError(
                    f"{type(network).__name__} cannot be written for ncnn: pnnx says '{said}'. Leave ncnn out of "
                    "--forms."
                )
            for file, name in zip(made, self.files, strict=True):
                shutil.copyfile(file, path.with_name(Path(name).name))

    def load(self, path: Path, outputs: Sequence[str], threads: int, shape: Sequence[int] | None) -> Runner:
        """Run the network on the CPU in 32 bits."""
        ncnn = package("ncnn")
        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = False
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(net.opt, name, False)
        if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
            raise ValueError("ncnn does not read its files")

        def run(image: npt.NDArray[Any]) -> Arrays:
            logits = []
            for one in image:
                extractor = net.create_extractor()
                extractor.input(INPUT, ncnn.Mat(np.ascontiguousarray(one, dtype=np.float32)).clone())
                status, answer = extractor.extract(OUTPUT)
                if status:
                    raise ValueError(f"ncnn does not take an image of shape {one.shape}")
                logits.append(np.array(answer))
            return {outputs[0]: np.stack(logits)}

        return run
