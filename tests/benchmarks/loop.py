# SPDX-License-Identifier: Apache-2.0
"""
Time and memory over a long cine loop, frame by frame on one thread: a table in Markdown.

    python tests/benchmarks/loop.py [--frames 1500] [--size 640 480] [--rows live]

The loop is a synthetic sweep forwards and backwards, as a DICOM file of ultrasound: 1,500 frames are a minute at 25 per
second. `live` goes from gray values to a mask in memory. `segment` is the command: it also writes a picture of each
frame, and a Segmentation of the loop with the last frame, which is given apart. Memory is that of the process, from the
100th frame to the last. The processor's time is that of all threads; beside other programs it says more than the
clock's. Each row is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "bundles" / "breast_ultrasound_segmentation" / "models"
PAGE = 4096
WARM_UP = 100
ROWS: dict[str, dict[str, Any]] = {
    "live, default student": {"live": True},
    "live, default student, 3 frames": {"live": True, "smooth_frames": 3},
    "live, small student, 3 frames": {"live": True, "smooth_frames": 3, "network": "small"},
    "segment, default student, 3 frames": {"mask_format": "dicom-seg", "smooth_frames": 3},
    "segment, small student, 3 frames": {"mask_format": "dicom-seg", "smooth_frames": 3, "network": "small"},
}


def write_loop(file: Path, frames: int, size: tuple[int, int]) -> None:
    """A sweep through a synthetic volume, forwards and backwards until there are enough frames."""
    sys.path.insert(0, str(ROOT / "docs" / "examples"))
    from ultrasound_loop import ultrasound_loop

    from monai_kd.phantom import phantom_volume

    slices, drawn = max(16, min(frames, 64)), min(224, *size)
    volume = phantom_volume(0, size=(drawn, drawn, slices)).image.transpose(2, 1, 0)
    columns, rows = (np.linspace(0, drawn - 1, side).round().astype(int) for side in size)
    sweep = [*range(slices), *range(slices - 2, 0, -1)]
    order = [sweep[number % len(sweep)] for number in range(frames)]
    ultrasound_loop(np.ascontiguousarray(volume[order][:, rows][:, :, columns])).save_as(
        file, write_like_original=False
    )


def memory() -> float:
    """MB of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def run_one(loop: Path, output: Path, options: dict[str, Any]) -> dict[str, list[float]]:
    """Milliseconds of each frame but the first, by the clock and of the processor; memory after each."""
    import torch

    torch.set_num_threads(1)
    times, used, held = [], [], []

    def note(done: int, of: int) -> None:
        times.append(time.perf_counter())
        used.append(time.process_time())
        held.append(memory())

    run = segment_live if options.pop("live", False) else segment_files
    run(loop, output, note, **options)
    return {"frames": (1000 * np.diff(times)).tolist(), "used": (1000 * np.diff(used)).tolist(), "memory": held}


def segment_files(loop: Path, output: Path, note: Any, **options: Any) -> None:
    """The command."""
    from monai_kd.segmentation.segment import segment

    segment([loop], output, progress=note, **options)


def segment_live(loop: Path, output: Path, note: Any, smooth_frames: int = 1, network: str = "") -> None:
    """From gray values in memory to a mask in memory, as in a program that gets frames from a probe."""
    import torch
    from torch.nn.functional import interpolate

    from monai_kd import load_weights
    from monai_kd.data.image_files.formats import read_pixels
    from monai_kd.engines import TemporalSmoothingInferer
    from monai_kd.networks import StudentUNet

    channels = (8, 12, 16, 24, 32) if network == "small" else (16, 32, 48, 80, 128)
    student = StudentUNet(spatial_dims=2, in_channels=1, out_channels=2, channels=channels).eval()
    load_weights(student, WEIGHTS / ("model_small.pt" if network == "small" else "model.pt"))
    values, smooth = read_pixels(loop)[0], TemporalSmoothingInferer(smooth_frames)
    for number in range(values.shape[2]):
        with torch.inference_mode():
            frame = torch.from_numpy(values[None, None, :, :, number].astype(np.float32))
            image = (interpolate(frame, (224, 224), mode="bilinear") - 114.5) / 57.6
            logits = smooth(image, student) if smooth_frames > 1 else student(image)
            lesion = interpolate(logits[:, 1:] - logits[:, :1], frame.shape[2:], mode="bilinear") > 0
        note(number + int(lesion.any()), values.shape[2])
    output.mkdir(exist_ok=True)


def row(name: str, found: dict[str, list[float]]) -> str:
    skipped = min(WARM_UP, len(found["frames"]) // 2)
    p50, p95, p99 = np.percentile(found["frames"][skipped:-1], (50, 95, 99))
    used, held = np.median(found["used"][skipped:-1]), found["memory"][skipped:-1]
    cells = [f"{value:.1f}" for value in (p50, p95, p99, used, found["frames"][-1] / 1000)]
    return " | ".join(["| " + name, *cells, f"{held[0]:.0f}", f"{held[-1] - held[0]:+.0f} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--rows", default="", help="Only rows with this in their name.")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # a row's process: loop, output folder, options
    arguments = parser.parse_args()
    if arguments.one:
        loop, output, options = arguments.one
        found = run_one(Path(loop), Path(output), json.loads(options))
        Path(output, "times.json").write_text(json.dumps(found))
        return
    print("| one thread | p50 ms | p95 ms | p99 ms | CPU ms | last frame and file, s | memory MB | growth MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        loop = Path(folder, "loop.dcm")
        write_loop(loop, arguments.frames, tuple(arguments.size))
        rows = {name: options for name, options in ROWS.items() if arguments.rows in name}
        for number, (name, options) in enumerate(rows.items()):
            output = Path(folder, str(number))
            command = [sys.executable, __file__, "--one", str(loop), str(output), json.dumps(options)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(row(name, json.loads((output / "times.json").read_text())), flush=True)


if __name__ == "__main__":
    main()
