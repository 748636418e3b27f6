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
from monai_kd.commands.settings import one_or_all

if TYPE_CHECKING:
    from monai_kd.data import Record, Split


class Protocol(StrEnum):
    """How to split."""

    random = "random"
    kfold = "kfold"
    holdout = "holdout"
    official = "official"


Chosen = Annotated[
    Protocol,
    typer.Option(
        help="random: the paper's repeated splits. kfold: cross-validation. holdout: one split by fractions of all "
        "images. official: the publisher's folds (BUS-BRA)."
    ),
]
Number = Annotated[int | None, typer.Option(min=1, help="random: how many splits. Default: 3.")]
Folds = Annotated[int | None, typer.Option(help="kfold, official: how many folds. Default: 5.")]
Training = Annotated[
    float | None, typer.Option(help="random: training and validation images by all. Default: 130/163.")
]
Validation = Annotated[
    float | None,
    typer.Option(help="Validation images by training and validation images; with holdout, by all. Default: 0.15."),
]
Test = Annotated[float | None, typer.Option(help="holdout: test images by all images. Default: 0.15.")]
LabelsOf = Annotated[
    str | None,
    typer.Option(
        "--labels_of",
        "--labels-of",
        help="Of several data sets, the one (its folder's name) that keeps the labels of its training images; the "
        "others' are the unlabelled pool.",
    ),
]
NearDuplicates = Annotated[
    bool, typer.Option(help="Keep images together that show the same picture, as exact duplicates are.")
]


def split(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER… OUT",
            help="The data set's folder, or one up to two levels above it; or several, read as one. Last the JSON file "
            "to write; it must not exist.",
        ),
    ],
    protocol: Chosen = Protocol.random,
    number: Number = None,
    k: Folds = None,
    train_fraction: Training = None,
    validation_fraction: Validation = None,
    test_fraction: Test = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same splits.")] = 0,
    near_duplicates: NearDuplicates = True,
    labels_of: LabelsOf = None,
    layout: Annotated[str | None, typer.Option(help="The layout's name; by default the folder tells.")] = None,
) -> None:
    """
    Write training, validation and test images of a data set to a file that every run can use.

    No patient and no duplicate image is in two parts; benign and malignant images are spread evenly.

    Example: python -m monai_kd data split BUSBRA folds.json --protocol kfold --k 5

    Train on it with --split_file folds.json --fold 0.

    Several data sets: python -m monai_kd data split BUSBRA BrEaST both.json
    """
    from monai_kd.data import check_dataset, read_dataset, write_splits
    from monai_kd.data.layouts import layout_names
    from monai_kd.data.splits.few_labels import keep_labels_of
    from monai_kd.data.splits.protocols import make_splits, require_protocol

    folders, out = _folders_and_file(places)
    folder = one_or_all(folders)
    if out.exists():
        raise ValueError(f"{out} exists, and results may depend on it. Choose another name, or remove it.")
    options = _given(
        number=number,
        k=k,
        train_fraction=train_fraction,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
    )
    require_protocol(protocol.value, options, folder, layout)
    records = read_dataset(folder, layout)
    with image_progress() as progress:
        content = check_dataset(records, progress, near_duplicates=near_duplicates)
    splits = make_splits(protocol.value, records, folder, layout, seed, content, **options)
    if labels_of is not None:
        splits = [keep_labels_of(parts, records, labels_of) for parts in splits]
    words = ", ".join([protocol.value, *(f"{name} {value:g}" for name, value in options.items())])
    words += "" if labels_of is None else f", labels of {labels_of}"
    write_splits(out, splits, words, layout_names(folder, layout), seed)
    console.print(_table(splits, records))
    console.print(f"{len(splits)} split{'s' if len(splits) > 1 else ''} in {out}", markup=False, highlight=False)


def _folders_and_file(places: list[Path]) -> tuple[list[Path], Path]:
    *folders, out = places
    if not folders:
        raise ValueError(f"Got '{out}' alone: give the data set's folder and out, the file to write: splits.json.")
    return folders, out


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
