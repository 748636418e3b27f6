# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data check``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.data.inspection_report import print_report
from monai_kd.commands.image_progress import image_progress
from monai_kd.commands.options import Json, Layout, Threads

Data = Annotated[Path, typer.Argument(help="The data set's folder, or up to two levels above it.")]
Splits = Annotated[Path | None, typer.Option(help="A file of 'data split' to check, too. Default: none.")]
Sheet = Annotated[Path | None, typer.Option(help="PNG to write, the worst images first. Default: none.")]
Report = Annotated[Path | None, typer.Option(help="JSON file to write the report to. Default: none.")]


def check(
    dataset_dir: Data,
    layout: Layout = None,
    split_file: Splits = None,
    sheet_file: Sheet = None,
    json_file: Report = None,
    as_json: Json = False,
    threads: Threads = 2,
) -> None:
    """
    Tell what is in a data set, and what is wrong with it.

    Check a data set before you train on it. The report lists all problems at once, each with its file and its
    consequence. Splits are checked for the same images, and for patients in two parts. The exit status is 1 if anything
    prevents training, else 0.

    Example: `python -m monai_kd data check BUSBRA --sheet-file check.png`
    """
    from monai_kd.data import inspect_dataset
    from monai_kd.data.inspection import write_sheet
    from monai_kd.utils.json_files import json_text, write_json

    with image_progress() as progress:
        found = inspect_dataset(dataset_dir, layout, progress, threads, split_file)
    if as_json:
        sys.stdout.write(json_text(found.to_dict()))
    else:
        print_report(found, console)
    if json_file is not None:
        write_json(json_file, found.to_dict())
    if sheet_file is not None and any(item.image for item in found.facts):
        shown = write_sheet(found, sheet_file)
        typer.echo(f"{shown} images on {sheet_file}", err=True)
    if not found.is_trainable:
        raise typer.Exit(1)
