# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from monai_kd.commands.console import console


def convert(
    folder: Annotated[Path, typer.Argument(help="The data set, in any layout that is known.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    layout: Annotated[str, typer.Option(help="plain, dataset_a, nnunet or monailabel.")] = "plain",
    splits: Annotated[
        Path | None, typer.Option(help="Split file of the data set, to be written in the new ids.")
    ] = None,
) -> None:
    """
    Write a data set in another layout, without loss, with a manifest of what came from where.

    Example: python -m monai_kd data convert data/busbra nnUNet_raw/Dataset501_BUSBRA --layout nnunet
    """
    from monai_kd.data.conversion import convert_dataset

    with Progress(console=console) as progress:
        task = progress.add_task("images", total=None)
        entries = convert_dataset(
            folder, out, layout, splits, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    patients = len({entry["patient"] for entry in entries})
    console.print(f"{len(entries)} images of {patients} patients in {escape(str(out))}; manifest.json maps their ids.")
    if layout == "nnunet" and splits is None and patients < len(entries):
        console.print("nnU-Net's own folds part the images of one patient: give --splits to avoid it.")
