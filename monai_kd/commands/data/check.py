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


def check(
    folder: Annotated[Path, typer.Argument(help="The data set's folder, or one up to two levels above it.")],
    layout: Annotated[str | None, typer.Option(help="The layout's name; by default the folder tells.")] = None,
    split_file: Annotated[Path | None, typer.Option(help="Splits to check, too: same images, no leak.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet, the worst images first: a PNG.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the report as JSON; '-' prints it instead of the tables.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that load.")] = 2,
) -> None:
    """
    Tell what is in a data set, and what is wrong with it, before anything is trained.

    All problems are listed at once, each with its file and what comes of it.

    The exit status is 1 if anything prevents training, else 0.

    Example: python -m monai_kd data check BUSBRA --sheet check.png
    """
    from monai_kd.data import inspect_dataset
    from monai_kd.data.inspection import write_sheet
    from monai_kd.utils.json_files import json_text, write_json

    with image_progress() as progress:
        found = inspect_dataset(folder, layout, progress, workers, split_file)
    if str(json_file) == "-":
        sys.stdout.write(json_text(found.to_dict()))
    else:
        print_report(found, console)
        if json_file is not None:
            write_json(json_file, found.to_dict())
    if sheet is not None and any(item.image for item in found.facts):
        shown = write_sheet(found, sheet)
        typer.echo(f"{shown} images on {sheet}", err=True)
    if not found.is_trainable:
        raise typer.Exit(1)
