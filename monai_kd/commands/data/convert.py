# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from monai_kd.commands.console import console
from monai_kd.commands.options import OutputDir


def convert(
    dataset_dir: Annotated[Path, typer.Argument(help="The data set's folder, in any layout.")],
    output_dir: OutputDir,
    output_layout: Annotated[str, typer.Option(help="plain, dataset_a, nnunet or monailabel.")] = "plain",
    split_file: Annotated[Path | None, typer.Option(help="A split file to write with new ids. Default: none.")] = None,
) -> None:
    """
    Write a data set in another layout, without loss.

    The file `manifest.json` tells what came from where.

    Example: `python -m monai_kd data convert data/busbra --output-dir nnUNet_raw/Dataset501_BUSBRA
    --output-layout nnunet`
    """
    from monai_kd.data.conversion import convert_dataset

    with Progress(console=console) as progress:
        task = progress.add_task("images", total=None)
        entries = convert_dataset(
            dataset_dir,
            output_dir,
            output_layout,
            split_file,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    patients = len({entry["patient"] for entry in entries})
    place = escape(str(output_dir))
    console.print(f"{len(entries)} images of {patients} patients in {place}; manifest.json maps their ids.")
    if output_layout == "nnunet" and split_file is None and patients < len(entries):
        console.print(
            "nnU-Net's own folds put images of one patient into several folds: give --split-file to avoid it."
        )
