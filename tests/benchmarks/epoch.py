# SPDX-License-Identifier: Apache-2.0
"""
An epoch from files to validation score: the bundle beside a stock MONAI pipeline that does the same work.

    python tests/benchmarks/epoch.py [--pair default] [--dataset-dir data/BrEaST] [--images 48] [--side 224]

Stock is what a MONAI user writes: LoadImaged … RandAffined sample by sample, a data loader, SupervisedTrainer whose
loss runs the teacher on the batch, SupervisedEvaluator with MeanDice, a checkpoint of the last and the best epoch; with
Dataset, that reads every image in every epoch, and with CacheDataset. Ours are the bundle's own configs. Validation is
on a third as many images as training. All take turns, three epochs each, of which the first is left out: it fills
caches. Without --dataset-dir the images are synthetic.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from catalogue import CONFIGS
from ignite.engine import Events
from in_turns import read_arguments, table_row
from monai.bundle import ConfigParser
from monai.data import CacheDataset, DataLoader, Dataset
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import CheckpointSaver, MeanDice, ValidationHandler, from_engine
from monai.transforms import (
    AsDiscreted,
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    NormalizeIntensityd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    Resized,
)
from pairs import PAIRS, Pair
from steps import now, task

from monai_kd.benchmark.timing import in_turns
from monai_kd.data import choose_split, read_dataset
from monai_kd.losses import LogitsKLLoss
from monai_kd.phantom import write_phantoms

KEYS = ["image", "label"]
BATCH = 16
EPOCHS = 3
Parts = Mapping[str, list[Any]]
SAME = ("views/shared.json",)
CACHED = ("views/plain_teacher.json", "cached_teacher.json")


def stock(
    pair: Pair, records: Parts, side: int, dataset: Callable[..., Dataset], folder: Path, device: torch.device
) -> Any:
    """The trainer of a MONAI user."""
    read = [
        LoadImaged(KEYS),
        EnsureChannelFirstd(KEYS),
        AsDiscreted("label", threshold=127),
        Resized(KEYS, [side, side], mode=["bilinear", "nearest"]),
        NormalizeIntensityd("image", subtrahend=114.5, divisor=57.6),
    ]
    augment = [
        RandFlipd(KEYS, prob=0.5, spatial_axis=0),
        RandAffined(
            KEYS,
            prob=1.0,
            rotate_range=0.3,
            scale_range=0.2,
            translate_range=[0.075 * side] * 2,
            mode=["bilinear", "nearest"],
            padding_mode="zeros",
        ),
        RandGaussianNoised("image", prob=0.5, std=0.1),
    ]
    student, teacher = pair.student().to(device), pair.teacher().to(device)
    optimizer = torch.optim.AdamW(student.parameters(), 1e-3)
    supervised, distil = task(), LogitsKLLoss(temperature=4.0)

    def loss(prediction: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            target = teacher(trainer.state.output["image"])
        return 0.5 * supervised(prediction, label) + 0.5 * distil(prediction, target)

    evaluator = SupervisedEvaluator(
        device=device,
        val_data_loader=DataLoader(dataset(records["validation"], Compose(read)), batch_size=BATCH),
        network=student,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_val_metric={"dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))},
        val_handlers=[CheckpointSaver(str(folder), {"network": student}, save_key_metric=True)],
    )
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=1,
        train_data_loader=DataLoader(
            dataset(records["training"], Compose([*read, *augment])), batch_size=BATCH, shuffle=True
        ),
        network=student,
        optimizer=optimizer,
        loss_function=loss,
        train_handlers=[
            ValidationHandler(1, evaluator),
            CheckpointSaver(str(folder), {"network": student, "optimizer": optimizer}, save_interval=1, n_saved=1),
        ],
    )
    return trainer


def ours(pair: Pair, records: Parts, side: int, folder: Path, device: torch.device, *overlays: str) -> Any:
    """The bundle's trainer; its teacher has random weights, which changes no cost."""
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / name) for name in ("train.json", *overlays)])
    settings = {
        "output_dir": str(folder / "output"),
        "checkpoint": str(folder / "model.pt"),
        "bundle_root": str(folder),
        "train#dataset#data": records["training"],
        "validate#dataset#data": records["validation"],
        "device": device,
        "spatial_size": [side, side],
        "batch_size": BATCH,
        "network_def": pair.student().to(device),
        "teacher_def": pair.teacher().to(device),
        "use_tensorboard": False,
        "quiet": True,
        "resume": False,
        "max_epochs": 10_000,  # of the learning rate's schedule
        "patience": 10_000,
    }
    parser.update(settings)
    return parser.get_parsed_content("train#trainer")


def epoch(trainer: SupervisedTrainer, device: torch.device) -> Callable[[], float]:
    """A function that runs a few epochs and gives their median seconds; the first, which fills caches, is left out."""
    started: list[float] = []
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: started.append(now(device)))
    trainer.state.max_epochs = EPOCHS

    def run() -> float:
        started.clear()
        trainer.state.epoch = trainer.state.iteration = 0
        trainer.run()
        ended = [*started[1:], now(device)]
        return statistics.median(end - start for start, end in list(zip(started, ended, strict=True))[1:])

    return run


def parts(folder: str | Path | None, images: int, temporary: Path) -> Parts:
    """The first images of a data set's training and validation part that have one mask, as stock MONAI loads them."""
    if folder is None:
        folder = temporary / "phantoms"
        write_phantoms(folder, count=2 * images)
    split, by_id = choose_split(folder), {record["id"]: record for record in read_dataset(folder)}
    counts = {"training": images, "validation": images // 3}
    one_mask = {
        part: [by_id[key] for key in split[part] if not isinstance(by_id[key]["label"], list)] for part in counts
    }
    return {part: one_mask[part][:count] for part, count in counts.items()}


def main() -> None:
    arguments = read_arguments(__doc__, side=224, rounds=5, pair=list(PAIRS), dataset_dir=None, images=None)
    logging.disable(logging.INFO)
    pair, device = PAIRS[arguments.pair], torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        records = parts(arguments.dataset_dir, int(arguments.images or 48), root)
        print(f"{pair}. {len(records['training'])} training and {len(records['validation'])} validation images.\n")
        made = partial(ours, pair, records, arguments.side)
        trainers = {
            "stock MONAI, Dataset": stock(pair, records, arguments.side, Dataset, root / "d", device),
            "stock MONAI, CacheDataset": stock(
                pair, records, arguments.side, partial(CacheDataset, progress=False), root / "e", device
            ),
            "the bundle, MONAI's chain, live teacher": made(root / "a", device),
            "the bundle, batched views, live teacher": made(root / "b", device, *SAME),
            "**the bundle, batched views, cached teacher**": made(root / "c", device, *CACHED),
        }
        timers = {name: epoch(trainer, device) for name, trainer in trainers.items()}
        rounds = list(in_turns(timers, arguments.rounds, warm_up=1))
    print("| pipeline | seconds an epoch: median (p10–p90) | this / stock, Dataset | this / stock, CacheDataset |")
    print("| --- | --- | --- | --- |")
    for name in trainers:
        ratios = [statistics.median(times[name] / times[one] for times in rounds) for one in list(trainers)[:2]]
        print(table_row(name, rounds, " | ".join(f"{ratio:.2f}" for ratio in ratios), 2))


if __name__ == "__main__":
    main()
