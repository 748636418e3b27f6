# SPDX-License-Identifier: Apache-2.0
"""
How the work on a data set grows with its number of images.

    python tests/benchmarks/growth.py [--images 100 1000 10000] [--indexed 100000] [--side 64]

The images are windows of synthetic pictures, in plain folders. Start is the index of the folder and a split file, until
the first batch is there; no other image is decoded. Check and split are those of ``data check`` and ``data split``. An
epoch reads every image from its file and takes a teacher's logits from the disk; the epoch before has stored them.
Memory is the process's own after that epoch, over what it was before the start. ``--indexed`` is started alone: its
files are hard links.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from in_turns import device_name
from large_data import link_images, megabytes
from monai.data import DataLoader
from monai.networks.nets import UNet
from monai.transforms import Compose, Resized
from PIL import Image

from monai_kd import CachedTeacher, DistillationTrainer, Pathway, Pathways
from monai_kd.data import BreastUltrasoundDataset, LoadUltrasoundd, check_dataset, random_splits, read_dataset
from monai_kd.losses import LogitsKLLoss
from monai_kd.networks import StudentUNet
from monai_kd.phantom import write_phantoms

DRAWN = 48
BATCH = 16


def cut_images(root: Path, count: int, side: int) -> None:
    """Images and masks in plain folders: windows of drawn pictures, at places of chance."""
    places = np.random.default_rng(0)
    write_phantoms(root / "drawn", count=DRAWN)
    drawn = [
        [Image.open(file).copy() for file in sorted((root / "drawn" / kind).iterdir())] for kind in ("original", "GT")
    ]
    for name in ("images", "labels"):
        (root / name).mkdir()
    for index in range(count):
        image, mask = (pictures[index % DRAWN] for pictures in drawn)
        left, top = (int(places.integers(0, length - side)) for length in image.size)
        for picture, name in ((image, "images"), (mask, "labels")):
            picture.crop((left, top, left + side, top + side)).save(root / name / f"{index:06}.png")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def start(root: Path, ids: list[str], side: int) -> tuple[DataLoader, Iterator[Any]]:
    """The loader of a training and its running epoch, of which the first batch is there."""
    resize = Resized(["image", "label"], [side, side], mode=["bilinear", "nearest"])
    transform = Compose([LoadUltrasoundd(spatial_dims=2), resize])
    dataset = BreastUltrasoundDataset(
        root, split={"training": ids}, transform=transform, cache_rate=0.0, progress=False
    )
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)
    batches = iter(loader)
    next(batches)
    return loader, batches


def epochs(loader: DataLoader, folder: Path) -> float:
    """Seconds of the second of two epochs: the first one stores the teacher's logits on the disk."""
    torch.manual_seed(0)
    student = StudentUNet(2, 1, 2, (4, 8))
    with CachedTeacher(UNet(2, 1, 2, (4, 8, 16), (2, 2)), [""], folder, in_memory=False) as teacher:
        trainer = DistillationTrainer(
            device=torch.device("cpu"),
            max_epochs=1,
            train_data_loader=loader,
            network=student,
            optimizer=torch.optim.AdamW(student.parameters(), 1e-3),
            loss_function=lambda prediction, label: torch.nn.functional.cross_entropy(prediction, label[:, 0].long()),
            teacher=teacher,
            pathways=Pathways(logits=Pathway(LogitsKLLoss())),
        )
        trainer.run()
        return timed(trainer.run)[0]


def measure(root: Path, count: int, side: int) -> list[float]:
    """Seconds of start, check, split and epoch, and megabytes."""
    cut_images(root, count, side)
    ids = [f"{index:06}" for index in range(count)]
    before = megabytes()
    to_first_batch, (loader, _) = timed(lambda: start(root, ids, side))
    epoch = epochs(loader, root / "cache")
    memory = megabytes() - before
    check, content = timed(lambda: check_dataset(read_dataset(root), near_duplicates=True))
    split, _ = timed(lambda: random_splits(read_dataset(root), content=content))
    return [to_first_batch, epoch, memory, check, split]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--indexed", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{device_name()}; images of {arguments.side}×{arguments.side} in batches of {BATCH}.\n")
    print("| images | start, s | epoch, s | memory, MB | check, s | split, s |\n| --- | --- | --- | --- | --- | --- |")
    for count in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            first, epoch, memory, check, split = measure(Path(folder), count, arguments.side)
        print(f"| {count} | {first:.2f} | {epoch:.1f} | {memory:+.0f} | {check:.1f} | {split:.2f} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        link_images(Path(folder), arguments.indexed)
        ids = [f"{index:06}" for index in range(arguments.indexed)]
        seconds, _ = timed(lambda: start(Path(folder), ids, arguments.side))
    print(f"| {arguments.indexed} | {seconds:.2f} | – | – | – | – |")


if __name__ == "__main__":
    main()
