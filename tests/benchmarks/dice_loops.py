# SPDX-License-Identifier: Apache-2.0
"""
The trainings that ``time_to_dice.py`` compares. Each takes a setup and a seed, and gives its course.

Stock MONAI is what a MONAI user writes: transforms sample by sample, SupervisedTrainer, SupervisedEvaluator with
MeanDice. A loop by hand and the toolkits get our batched views, which they do not have; their teacher is run on every
view. Ours is the bundle's own config with its recipe for few labels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from dice_setup import RATE, Course, Distil, Setup, task
from ignite.engine import Events
from monai.data import CacheDataset, DataLoader
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, MeanDice, ValidationHandler, from_engine
from monai.metrics import DiceMetric
from monai.transforms import (
    AsDiscreted,
    Compose,
    EnsureChannelFirstd,
    Lambda,
    LoadImaged,
    NormalizeIntensityd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandScaleIntensityd,
    RandShiftIntensityd,
    Resized,
)
from peers import Recipe, Step
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

KEYS = ["image", "label"]
Record = dict[str, Any]


def with_label(sample: Record) -> Record:
    """An image without a label gets an empty one."""
    image, label = sample["image"], sample.get("label")
    return {"image": image, "label": torch.zeros_like(image) if label is None else label, "labelled": label is not None}


def without_label(sample: Record) -> Record:
    """The label of an image that has none becomes -1, after all that moves it."""
    return sample if sample["labelled"] else {**sample, "label": sample["label"] - 1}


def reading(side: int) -> list[Any]:
    """MONAI's transforms from a file to gray values and mask."""
    some = {"allow_missing_keys": True}
    return [
        LoadImaged(KEYS, reader="PILReader", converter=lambda image: image.convert("L"), **some),
        EnsureChannelFirstd(KEYS, **some),
        AsDiscreted("label", threshold=0.5, **some),
        Resized(KEYS, [side, side], mode=["bilinear", "nearest"], **some),
        NormalizeIntensityd("image", subtrahend=114.5, divisor=57.6),
        Lambda(with_label),
    ]


def augmenting(side: int) -> list[Any]:
    """The recipe's view in MONAI's transforms."""
    return [
        RandFlipd(KEYS, prob=0.5, spatial_axis=0),
        RandAffined(
            KEYS,
            prob=1.0,
            rotate_range=0.35,
            translate_range=[0.2 * side] * 2,
            scale_range=[0.3, 0.3],
            mode=["bilinear", "nearest"],
            padding_mode="zeros",
        ),
        RandScaleIntensityd("image", factors=0.3, prob=0.8),
        RandShiftIntensityd("image", offsets=0.3, prob=0.8),
        RandGaussianNoised("image", prob=0.5, std=0.2),
        Lambda(without_label),
    ]


def training_records(setup: Setup, pool: bool) -> list[Record]:
    """The labelled images, then the pool."""
    labelled = [setup.records[key] for key in setup.split["training"]]
    unlabelled = [setup.records[key] for key in setup.split["unlabelled"]] if pool else []
    return [{key: one[key] for key in KEYS} for one in labelled] + [{"image": one["image"]} for one in unlabelled]


def cached(records: Sequence[Record], *transforms: Any) -> CacheDataset:
    return CacheDataset(list(records), Compose(list(transforms)), progress=False)


def validation_loader(setup: Setup) -> DataLoader:
    records = [{key: setup.records[one][key] for key in KEYS} for one in setup.split["validation"]]
    return DataLoader(cached(records, *reading(setup.side)), batch_size=setup.batch)


def stock(setup: Setup, seed: int, with_teacher: bool = True) -> Course:
    """A MONAI user's training: the student alone, or with a loss that runs the teacher on the batch."""
    student, teacher = setup.student(seed), setup.teacher() if with_teacher else None
    supervised, distil, course = task(), Distil(), Course()
    records = training_records(setup, pool=with_teacher)
    optimizer = torch.optim.AdamW(student.parameters(), RATE)
    schedule = OneCycleLR(optimizer, RATE, total_steps=setup.epochs * setup.steps)

    def loss(answer: Tensor, label: Tensor) -> Tensor:
        if teacher is None:
            return supervised(answer, label)
        with torch.no_grad():
            target = teacher(trainer.state.output["image"])
        return 0.3 * supervised(answer, label) + 0.7 * distil(answer, target)

    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=validation_loader(setup),
        network=student,
        postprocessing=AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2),
        key_val_metric={"dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))},
    )
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=setup.epochs,
        train_data_loader=DataLoader(
            cached(records, *reading(setup.side), *augmenting(setup.side)),
            batch_size=setup.batch,
            sampler=setup.order(seed, len(records)),
        ),
        network=student,
        optimizer=optimizer,
        loss_function=loss,
        train_handlers=[
            LrScheduleHandler(schedule, print_lr=False, epoch_level=False),
            ValidationHandler(1, evaluator),
        ],
    )
    evaluator.add_event_handler(Events.COMPLETED, lambda engine: course.note(engine.state.metrics["dice"]))
    torch.manual_seed(seed)
    trainer.run()
    return course


def looped(setup: Setup, seed: int, make: Callable[..., Step]) -> Course:
    """A loop around a step of ``peers.py``, on batched views."""
    student, teacher, course = setup.student(seed), setup.teacher(), Course()
    records, views = training_records(setup, pool=True), setup.views()
    data = cached(records, *reading(setup.side))
    loader = DataLoader(data, batch_size=setup.batch, sampler=setup.order(seed, len(records)))
    checked = validation_loader(setup)
    views.set_random_state(seed)

    def batches() -> Iterator[dict[str, Tensor]]:
        while True:
            for batch in loader:
                image, label = views(batch)
                label[~batch["labelled"]] = -1
                yield {"image": image, "label": label}

    drawn = batches()
    recipe = Recipe(distil=0.7, rate=RATE, steps=setup.epochs * setup.steps)
    step = make(student, teacher, lambda: next(drawn), task(), Distil(), recipe)
    for _ in range(setup.epochs):
        student.train()
        for _ in range(setup.steps):
            step()
        course.note(mean_dice(student, checked))
    return course


def mean_dice(student: nn.Module, loader: DataLoader) -> float:
    """As MONAI's handler counts it: images without a lesion are left out."""
    metric = DiceMetric(include_background=False, num_classes=2)
    student.eval()
    with torch.no_grad():
        for batch in loader:
            metric(student(batch["image"]).argmax(1, keepdim=True), batch["label"])
    return float(metric.aggregate())


def ours(setup: Setup, seed: int, change: Callable[..., None] | None = None) -> Course:
    """The bundle's config; ``change`` changes it before it is used, see ``dice_levers.py``."""
    student, teacher = setup.student(seed), setup.teacher()
    with tempfile.TemporaryDirectory() as folder:
        course = Course()
        parser = setup.config("train.json", "recipes/few_labels.json", output=Path(folder), seed=seed)
        count = len(setup.split["training"]) + len(setup.split["unlabelled"])
        sampler = setup.order(seed, count)
        parser.update({"network_def": student, "teacher_def": teacher, "train#sampler": sampler})
        if change is not None:
            change(parser, setup)
        trainer = parser.get_parsed_content("train#trainer")
        evaluator = parser.get_parsed_content("validate#evaluator")
        evaluator.add_event_handler(Events.COMPLETED, lambda engine: course.note(engine.state.metrics["val_mean_dice"]))
        trainer.run()
    return course
