# SPDX-License-Identifier: Apache-2.0
"""
Inference of the student in every form, of the teacher and of MONAI's networks: latency and throughput.

    python tests/benchmarks/inference.py [--batch 16] [--side 224] [--rounds 50] [--threads 2] [--skip compile]

Latency: one image, one CPU thread (on a GPU: one image). Throughput: a batch, all threads. All networks alone, with
random weights, which change no time; INT8 is calibrated with random images. `python -m monai_kd benchmark` measures a
trained student from raw pixels to mask, with its Dice: docs/export.md.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from in_turns import read_arguments
from monai.networks.nets import BasicUNet, FlexibleUNet, SegResNet, UNet
from pairs import PAIRS
from steps import now
from torch import Tensor, nn

from monai_kd.benchmark.timing import in_turns
from monai_kd.export.forms import load_form
from monai_kd.export.forms.onnx_file import write_onnx
from monai_kd.export.forms.onnx_int8 import write_int8
from monai_kd.export.graph import RawNetwork, fused_norms

Call = Callable[[Tensor], object]
IMAGES = 8  # to calibrate with


def networks() -> dict[str, nn.Module]:
    """By name, the student first; MONAI's as the latency report has them."""
    pair = PAIRS["default"]
    return {
        "student, PyTorch": pair.student(),
        "teacher of 4.99 M": pair.teacher(),
        "paper's teacher of 82.7 M": PAIRS["paper"].teacher(),
        "MONAI BasicUNet": BasicUNet(2, 1, 2),
        "MONAI UNet": UNet(2, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2),
        "MONAI SegResNet": SegResNet(2, 8, 1, 2),
        "MONAI FlexibleUNet": FlexibleUNet(1, 2, "efficientnet-b0", pretrained=False),
    }


def exported(student: nn.Module, image: Tensor, folder: Path, threads: int) -> dict[str, Call]:
    """The student's files, in ONNX Runtime."""
    module = RawNetwork(fused_norms(student))
    source, int8 = folder / "student.onnx", folder / "student.int8.onnx"
    if not source.is_file():
        write_onnx(module, tuple(image[:1].shape), source)
        write_int8(source, int8, [torch.rand(1, *image.shape[1:]).numpy() for _ in range(IMAGES)])
    runners = {"ONNX Runtime": source, "ONNX Runtime, INT8": int8}
    forms = {name: load_form(path, module.outputs, threads) for name, path in runners.items()}
    return {f"student, {name}": lambda batch, run=run: run(batch.numpy()) for name, run in forms.items()}


def measure(calls: dict[str, Call], image: Tensor, rounds: int) -> list[dict[str, float]]:
    """Milliseconds of each call on a batch."""

    def timer(call: Call) -> Callable[[], float]:
        def milliseconds() -> float:
            started = now(image.device)
            with torch.inference_mode():
                call(image)
            return 1000 * (now(image.device) - started)

        return milliseconds

    return list(in_turns({name: timer(call) for name, call in calls.items()}, rounds))


def main() -> None:
    arguments = read_arguments(__doc__, side=224, rounds=50, skip=None)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = torch.rand(arguments.batch, 1, arguments.side, arguments.side, device=device)
    made = {name: network.to(device).eval() for name, network in networks().items()}
    results: list[list[dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for threads, image in ((1, batch[:1].clone()), (arguments.threads, batch)):
            torch.set_num_threads(threads)
            torch.compiler.reset()  # a graph of its own for each shape
            calls: dict[str, Any] = dict(made)
            if device.type == "cuda" or shutil.which("g++"):
                calls["student, torch.compile"] = torch.compile(made["student, PyTorch"])
            if device.type == "cpu" and find_spec("onnxruntime"):
                student = PAIRS["default"].student().eval()
                calls |= exported(student, image, Path(folder), threads)
            calls = {name: call for name, call in calls.items() if not arguments.skip or arguments.skip not in name}
            results.append(measure(calls, image, arguments.rounds))
    print("| network | one image, one thread, ms: median (p10–p90) | throughput, images/s | in batches, all threads |")
    print("| --- | --- | --- | --- |")
    one, many = results
    order = sorted(one[0], key=lambda name: (not name.startswith("student"), name))
    for name in order:
        values = sorted(times[name] for times in one)
        median, low, high = statistics.median(values), values[len(values) // 10], values[-1 - len(values) // 10]
        batched = 1000 * len(batch) / statistics.median(times[name] for times in many)
        print(f"| {name} | {median:.1f} ({low:.1f}–{high:.1f}) | {1000 / median:.0f} | {batched:.0f} |")


if __name__ == "__main__":
    main()
