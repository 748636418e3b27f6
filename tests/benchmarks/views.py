# SPDX-License-Identifier: Apache-2.0
"""
What the views of one batch cost: ours, MONAI's chain of one sample at a time, and those of Kornia and TorchIO.

    python tests/benchmarks/views.py [--threads 2] [--batch 16] [--side 224] [--rounds 20]

All do the same to image and label: mirror, rotate, shift, scale; and add noise to the image. Pixel dropout and the
random crop, which MONAI and Kornia do in other ways or not at all, are measured for ours alone. The candidates take
turns in one process, so that the machine's moods meet all of them; the device is a GPU if there is one. What is not
installed is named and left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from in_turns import random_batch, read_arguments, table_row
from monai.transforms import Compose, EnsureTyped, RandAffined, RandFlipd, RandGaussianNoised

from monai_kd.benchmark.timing import in_turns
from monai_kd.engines import PrepareBatchViews
from monai_kd.transforms import (
    BatchRandAffine,
    BatchRandFlip,
    BatchRandGaussianNoise,
    BatchRandPixelDropout,
    BatchRandScaleCrop,
    View,
)

Batch = dict[str, torch.Tensor]
KEYS = ["image", "label"]
AFFINE: dict[str, Any] = {"rotate_range": 0.3, "scale_range": [0.2, 0.2]}


def monais(side: int, device: torch.device) -> Callable[[Batch], object]:
    """The bundle's random transforms, and the data loader's collation."""
    chain = Compose(
        [
            RandFlipd(KEYS, prob=0.5, spatial_axis=0),
            RandAffined(
                KEYS,
                prob=1.0,
                **AFFINE,
                translate_range=[0.075 * side] * 2,
                mode=["bilinear", "nearest"],
                padding_mode="zeros",
                device=device,
            ),
            RandGaussianNoised("image", prob=0.5, std=0.1),
            EnsureTyped(KEYS, device=device, track_meta=False),
        ]
    )

    def run(batch: Batch) -> object:
        samples = [chain({key: batch[key][i] for key in KEYS}) for i in range(len(batch["image"]))]
        return {key: torch.stack([sample[key] for sample in samples]) for key in KEYS}

    return run


def ours(side: int, whole: bool = False) -> Callable[[Batch], object]:
    """The same; and with random crop and pixel dropout, the whole strong view of the bundle."""
    affine = BatchRandAffine(1.0, **AFFINE, translate_range=[0.075 * side] * 2)
    crop, dropout = ([BatchRandScaleCrop(0.8)], [BatchRandPixelDropout(0.5)]) if whole else ([], [])
    noise = BatchRandGaussianNoise(0.5, std=0.1)
    return PrepareBatchViews(View([*crop, BatchRandFlip(0.5, 0), affine], [noise, *dropout]))


def kornias(side: int) -> Callable[[Batch], object]:
    """The same in Kornia's words; its shift is a share of the side, its angles are in degrees."""
    import kornia.augmentation as augmentation

    chain = augmentation.AugmentationSequential(
        augmentation.RandomVerticalFlip(p=0.5),
        augmentation.RandomAffine(17.2, translate=(0.075, 0.075), scale=(0.8, 1.2, 0.8, 1.2), p=1.0),
        augmentation.RandomGaussianNoise(std=0.1, p=0.5),
        data_keys=["input", "mask"],
    )
    return lambda batch: chain(batch["image"], batch["label"])


def torchios(side: int) -> Callable[[Batch], object]:
    """The same in TorchIO's words, sample by sample; an image is a volume of one slice, its angles are in degrees."""
    import torchio

    rotated = (0.0, 0.0, 0.0, 0.0, -17.2, 17.2)  # about the slice's axis
    scaled, shifted = (0.8, 1.2, 0.8, 1.2, 1.0, 1.0), (*[-0.075 * side, 0.075 * side] * 2, 0.0, 0.0)
    chain = torchio.Compose(
        [
            torchio.RandomFlip(axes=(0,), flip_probability=0.5),
            torchio.RandomAffine(scales=scaled, degrees=rotated, translation=shifted, default_pad_value=0),
            torchio.RandomNoise(std=(0.1, 0.1), p=0.5),
        ]
    )
    kinds = {"image": torchio.ScalarImage, "label": torchio.LabelMap}

    def run(batch: Batch) -> object:
        samples = [
            chain(torchio.Subject({key: kinds[key](tensor=batch[key][i, ..., None].cpu()) for key in KEYS}))
            for i in range(len(batch["image"]))
        ]
        return {key: torch.stack([sample[key].data[..., 0] for sample in samples]) for key in KEYS}

    return run


def main() -> None:
    arguments = read_arguments(__doc__, side=224)
    batch = random_batch(arguments)
    device = batch["image"].device
    runs = {
        "MONAI, sample by sample": monais(arguments.side, device),
        "batched views": ours(arguments.side),
        "batched views, with random crop and pixel dropout": ours(arguments.side, whole=True),
    }
    for name, module, make in (("Kornia", "kornia", kornias), ("TorchIO, sample by sample", "torchio", torchios)):
        if find_spec(module):
            runs[name] = make(arguments.side)
        else:
            print(f"{name} is not installed and left out.\n")

    def milliseconds(run: Callable[[Batch], object]) -> float:
        start = time.perf_counter()
        run(batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return 1000 * (time.perf_counter() - start)

    timers = {name: partial(milliseconds, run) for name, run in runs.items()}
    rounds = list(in_turns(timers, arguments.rounds))
    print("| views of a batch | ms: median (p10–p90) | MONAI's chain / this |")
    print("| --- | --- | --- |")
    reference = next(iter(runs))
    for name in runs:
        ratio = statistics.median(times[reference] / times[name] for times in rounds)
        print(table_row(name, rounds, f"{ratio:.1f}"))


if __name__ == "__main__":
    main()
