# SPDX-License-Identifier: Apache-2.0
"""
Data larger than memory: what an index of many images takes, and what a training reads from it leaves behind.

    python tests/benchmarks/large_data.py [--images 100000] [--read 2000]

A folder of so many images and masks (hard links to a few drawn ones, so that the disk bears it; what is read comes from
the system's cache, and its seconds are those of decoding) is indexed and read without a cache; and a teacher's features
of what was read are kept in memory, and on disk alone. Memory is that of the process, by the operating system's
account, after each part, over what it was before.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from pathlib import Path

import torch
from in_turns import device_name
from monai.networks.nets import UNet

from monai_kd import CachedTeacher
from monai_kd.data import BreastUltrasoundDataset, LoadUltrasoundd, read_dataset
from monai_kd.phantom import write_phantoms

DRAWN = 16
SIDE = 224  # of what the teacher sees


def megabytes() -> float:
    """Memory of this process that is its own: pages of mapped files, which the system takes back, do not count."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def link_images(root: Path, count: int) -> None:
    """Images and masks in plain folders, by hard links."""
    drawn = root / "drawn"
    write_phantoms(drawn, count=DRAWN)
    for source, target in (("original", "images"), ("GT", "labels")):
        files = sorted((drawn / source).iterdir())
        (root / target).mkdir()
        for index in range(count):
            os.link(files[index % DRAWN], root / target / f"{index:06}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--read", type=int, default=2_000)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    print(f"{device_name()}; {arguments.images} images.\n")
    print("| part | seconds | MB more than before |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        link_images(root, arguments.images)
        measured = Part()
        ids = [record["id"] for record in read_dataset(root)]
        dataset = BreastUltrasoundDataset(
            root, split={"training": ids}, transform=LoadUltrasoundd(spatial_dims=2), cache_rate=0.0, progress=False
        )
        measured(f"index of {len(dataset)} images")
        half = arguments.read // 2
        for start in (0, half):
            for index in range(start, start + half):
                dataset[index * len(dataset) // arguments.read]
            measured(f"{half} images read" if start == 0 else f"{half} further images read")
        teacher = UNet(2, 1, 2, (4, 8, 16), (2, 2))
        for in_memory, name in ((True, "in memory"), (False, "on disk alone")):
            with CachedTeacher(teacher, [""], root / f"{in_memory}", in_memory=in_memory) as cached:
                for seed in range(half):
                    cached(torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)))
                measured(f"a teacher's logits of {half} images, {name}")


class Part:
    """Prints a row for what happened since it was last called."""

    def __init__(self) -> None:
        self.started, self.memory = time.perf_counter(), megabytes()

    def __call__(self, name: str) -> None:
        seconds, memory = time.perf_counter() - self.started, megabytes()
        print(f"| {name} | {seconds:.1f} | {memory - self.memory:+.0f} |", flush=True)
        self.started, self.memory = time.perf_counter(), memory


if __name__ == "__main__":
    main()
