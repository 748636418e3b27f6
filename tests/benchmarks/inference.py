# SPDX-License-Identifier: Apache-2.0
"""
Inference of two students in every form, of the teacher and of MONAI's networks: first answer, latency and throughput.

    python tests/benchmarks/inference.py [--batch 32] [--side 224] [--rounds 50] [--threads 2] [--only students]

First answer: one CPU thread, from the network or its file to the answer for one image; that of `torch.compile` includes
the compilation. Latency: one image, one CPU thread (on a GPU: one image). Throughput: all threads, in batches of one,
a quarter of --batch and --batch. All networks alone, with random weights, which change no time; INT8 is calibrated with
random images. Forms whose packages are not installed are left out. `python -m monai_kd benchmark` measures a trained
student from raw pixels to mask, with its Dice: docs/export.md.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Collection
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from in_turns import Round, read_arguments
from monai.networks.nets import BasicUNet, FlexibleUNet, SegResNet, UNet
from pairs import PAIRS
from steps import now
from torch import Tensor, nn

from monai_kd.benchmark.timing import in_turns
from monai_kd.export.forms import FORMS, load_form
from monai_kd.export.forms.form import Form, Source
from monai_kd.export.graph import RawNetwork
from monai_kd.networks import StudentUNet

Call = Callable[[Tensor], object]
# Makes what answers, for a number of CPU threads.
Maker = Callable[[int], Call]
IMAGES = 8  # to calibrate with
GROUPS = ("students", "compiled", "others")
STUDENTS = {"0.49 M": (16, 32, 48, 80, 128), "0.042 M": (8, 12, 16, 24, 32)}
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "teacher of 4.99 M": PAIRS["default"].teacher,
    "paper's teacher of 82.7 M": PAIRS["paper"].teacher,
    "MONAI BasicUNet": lambda: BasicUNet(2, 1, 2),
    "MONAI UNet": lambda: UNet(2, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2),
    "MONAI SegResNet": lambda: SegResNet(2, 8, 1, 2),
    "MONAI FlexibleUNet": lambda: FlexibleUNet(1, 2, "efficientnet-b0", pretrained=False),
}


def write_forms(student: nn.Module, image: Tensor, folder: Path) -> dict[str, Path]:
    """The student's files, by the title of their form; ONNX first, because others are made from it."""
    folder.mkdir(parents=True)
    image = image.cpu()
    images = [partial(torch.Tensor.numpy, torch.rand(image.shape)) for _ in range(IMAGES)]
    onnx = folder / "student.onnx"
    source = Source(RawNetwork(student), image.numpy(), tuple(image.shape), onnx, images)
    written = {}
    for name in ("onnx", "int8", "openvino", "openvino_int8"):
        form: Form = FORMS[name]
        if not all(find_spec(package) for package in form.packages):
            continue
        path = folder / form.files[0]
        path.parent.mkdir(exist_ok=True)
        form.write(source, path)
        written[f"ONNX Runtime{', INT8' if name == 'int8' else ''}" if "onnx" in form.packages else form.title] = path
    return written


def of_file(path: Path, threads: int) -> Call:
    """What runs a file, which takes and gives arrays."""
    run = load_form(path, ["logits"], threads)
    return lambda image: run(image.numpy())


def makers(image: Tensor, folder: Path, groups: Collection[str]) -> dict[str, Maker]:
    """By name, those of the chosen groups."""
    device, made = image.device, {}
    for size, channels in STUDENTS.items():
        student = StudentUNet(2, 1, 2, channels).to(device).eval()
        if "students" in groups:
            made[f"student of {size}, PyTorch"] = lambda threads, network=student: network
        if "compiled" in groups and (device.type == "cuda" or shutil.which("g++")):
            compiled = partial(torch.compile, student, dynamic=False)
            made[f"student of {size}, torch.compile"] = lambda threads, compiled=compiled: compiled()
        if "students" in groups and device.type == "cpu":
            for title, path in write_forms(student, image, folder / size).items():
                made[f"student of {size}, {title}"] = partial(of_file, path)
    for name, make in OTHERS.items() if "others" in groups else ():
        network = make().to(device).eval()
        made[name] = lambda threads, network=network: network
    return made


def milliseconds(call: Call, image: Tensor) -> float:
    """Of one answer."""
    started = now(image.device)
    with torch.inference_mode():
        call(image)
    return 1000 * (now(image.device) - started)


def first_answer(make: Maker, image: Tensor) -> float:
    """Milliseconds until the first answer."""
    started = now(image.device)
    call = make(1)
    return 1000 * (now(image.device) - started) + milliseconds(call, image)


def measure(made: dict[str, Maker], image: Tensor, threads: int, rounds: int) -> list[Round]:
    """Milliseconds of each on a batch."""
    torch.set_num_threads(threads)
    torch.compiler.reset()  # a graph of its own for each shape and number of threads
    calls = {name: make(threads) for name, make in made.items()}
    return list(in_turns({name: partial(milliseconds, call, image) for name, call in calls.items()}, rounds))


def main() -> None:
    arguments = read_arguments(__doc__, side=224, rounds=50, only=GROUPS)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = torch.rand(arguments.batch, 1, arguments.side, arguments.side, device=device)
    sizes = sorted({1, max(1, len(batch) // 4), len(batch)})
    with tempfile.TemporaryDirectory() as folder:
        made = makers(batch[:1], Path(folder), arguments.only)
        torch.set_num_threads(1)
        first = {name: first_answer(make, batch[:1]) for name, make in made.items()}
        one = measure(made, batch[:1].clone(), 1, arguments.rounds)
        many = {size: measure(made, batch[:size].clone(), arguments.threads, arguments.rounds) for size in sizes}
    columns = " | ".join(f"all threads, batch of {size}, images/s" for size in sizes)
    print(f"| network | first answer, ms | one image, one thread, ms: median (p10–p90) | images/s | {columns} |")
    print("| --- | --- | --- | --- |" + " --- |" * len(sizes))
    for name in made:
        values = sorted(times[name] for times in one)
        median, low, high = statistics.median(values), values[len(values) // 10], values[-1 - len(values) // 10]
        speeds = [1000 * size / statistics.median(times[name] for times in rounds) for size, rounds in many.items()]
        cells = " | ".join(f"{speed:.0f}" for speed in (1000 / median, *speeds))
        print(f"| {name} | {first[name]:.0f} | {median:.1f} ({low:.1f}–{high:.1f}) | {cells} |")


if __name__ == "__main__":
    main()
