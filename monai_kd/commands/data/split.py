# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data split``."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from monai_kd.commands.console import console
from monai_kd.commands.image_progress import image_progress
from monai_kd.commands.options import INT, Layout, Seed
from monai_kd.commands.settings import one_or_all

if TYPE_CHECKING:
    from monai_kd.data import Record, Split


class Protocol(StrEnum):
    """How to split."""

    random = "random"
    kfold = "kfold"
    holdout = "holdout"
    official = "official"


Folders = Annotated[list[Path], typer.Argument(help="Folders of one or more data sets; several are read as one.")]
File = Annotated[Path, typer.Option(help="JSON file to write; it must not exist.")]
Chosen = Annotated[Protocol, typer.Option(help="How to split.")]
Splits = Annotated[int | None, typer.Option(min=1, metavar=INT, help="random: number of splits. Default: 3.")]
Folds = Annotated[int | None, typer.Option(help="kfold, official: number of folds. Default: 5.")]
Training = Annotated[float | None, typer.Option(help="random: share of images to train on. Default: 130/163.")]
Validation = Annotated[float | None, typer.Option(help="Share of images for validation. Default: 0.15.")]
Test = Annotated[float | None, typer.Option(help="holdout: share of images for the test. Default: 0.15.")]
LabelsOf = Annotated[str | None, typer.Option(help="Data set whose training labels are kept. Default: all.")]
NoNear = Annotated[bool, typer.Option("--no-near-duplicates", help="Keep only exact duplicates in one part.")]


def split(
    dataset_dirs: Folders,
    output_file: File,
    protocol: Chosen = Protocol.random,
    splits: Splits = None,
    k: Folds = None,
    train_fraction: Training = None,
    validation_fraction: Validation = None,
    test_fraction: Test = None,
    seed: Seed = 0,
    no_near_duplicates: NoNear = False,
    labels_of: LabelsOf = None,
    layout: Layout = None,
) -> None:
    """
    Write the training, validation and test images to a file.

    No patient is in two parts. Exact duplicates are in one part, and near duplicates, which show the same picture, too.
    Benign and malignant images are spread evenly. To train on a split, give `--split-file folds.json --fold 0`.

    The protocols are `random` (the paper's repeated splits), `kfold` (cross-validation), `holdout` (one split) and
    `official` (the publisher's folds of BUS-BRA). `--train-fraction` is the share of all images used for training and
    validation. `--validation-fraction` is a share of those, or with `holdout` of all images.

    `--labels-of` is for several data sets: it names the folder of the data set that keeps the labels of its training
    images. The training images of the others are the unlabelled pool.

    Example: `python -m monai_kd data split BUSBRA --output-file folds.json --protocol kfold --k 5`

    Several data sets: `python -m monai_kd data split BUSBRA BrEaST --output-file both.json`
    """
    from monai_kd.data import check_dataset, read_dataset, write_splits
    from monai_kd.data.layouts import layout_names
    from monai_kd.data.splits.few_labels import keep_labels_of
    from monai_kd.data.splits.protocols import make_splits, require_protocol

    folder = one_or_all(dataset_dirs)
    if output_file.exists():
        raise ValueError(f"{output_file} exists, and results may depend on it. Choose another name, or remove it.")
    options = _given(
        splits=splits,
        k=k,
        train_fraction=train_fraction,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
    )
    require_protocol(protocol.value, options, folder, layout)
    records = read_dataset(folder, layout)
    with image_progress() as progress:
        content = check_dataset(records, progress, near_duplicates=not no_near_duplicates)
    made = make_splits(protocol.value, records, folder, layout, seed, content, **options)
    if labels_of is not None:
        made = [keep_labels_of(parts, records, labels_of) for parts in made]
    words = ", ".join([protocol.value, *(f"{name} {value:g}" for name, value in options.items())])
    words += "" if labels_of is None else f", labels of {labels_of}"
    write_splits(output_file, made, words, layout_names(folder, layout), seed)
    console.print(_table(made, records))
    console.print(f"{len(made)} split{'s' if len(made) > 1 else ''} in {output_file}", markup=False, highlight=False)


def _given(**options: float | None) -> dict[str, float]:
    return {name: value for name, value in options.items() if value is not None}


def _table(splits: list[Split], records: list[Record]) -> Table:
    """A row for each part: images, patients, and images of each pathology."""
    by_id = {record["id"]: record for record in records}
    pathologies = sorted({record["pathology"] for record in records})
    table = Table("split", "part", *(f"{name:>8}" for name in ("images", "patients", *pathologies)))
    for column in table.columns[2:]:
        column.justify = "right"
    for index, parts in enumerate(splits):
        for part, ids in parts.items():
            members = [by_id[key] for key in ids]
            counts = Counter(record["pathology"] for record in members)
            patients = len({record["patient"] for record in members})
            numbers = [len(members), patients, *(counts[name] for name in pathologies)]
            first = part == "training"
            table.add_row(str(index) if first else "", part, *map(str, numbers), end_section=part == [*parts][-1])
    return table
