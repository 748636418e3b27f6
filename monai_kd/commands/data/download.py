# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data download``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from monai_kd.commands.console import console


def download(
    name: Annotated[str, typer.Argument(help="busi, busbra, breast, busuclm or dataset_a.")],
    output_dir: Annotated[Path | None, typer.Option(help="Folder to make. Default: data/NAME.")] = None,
    accept_license: Annotated[bool, typer.Option("--accept-license", help="Accept the license that is shown.")] = False,
) -> None:
    """
    Download a public data set from its publisher.

    The command shows the license and the article to cite, downloads and unpacks the data set, and counts its images.
    Give the same command again to continue an interrupted download. A finished download is not fetched twice. For
    dataset_a, which is not public, the command tells how to ask for it.

    Example: `python -m monai_kd data download busbra --accept-license`
    """
    from monai_kd.data import read_dataset
    from monai_kd.data.download import download_dataset, find_source

    source = find_source(name)
    folder = output_dir or Path("data") / name
    for line in (source.title, f"from {source.page}", f"License: {source.license}", source.terms):
        console.print(escape(line))
    console.print(f"Cite: {escape(source.citation)}\n")
    if not accept_license:
        _ask()
    with _progress() as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, total: int) -> None:
            task = tasks.get(file)
            if task is None:
                task = tasks[file] = bars.add_task(escape(file), total=None)
            bars.update(task, completed=done, total=total or None)

        fetched = download_dataset(name, folder, show, lambda notice: bars.console.print(escape(notice)))
    images = len(read_dataset(folder))
    before = "" if fetched else ", downloaded before"
    console.print(f"{images} images with lesion masks in {escape(str(folder))}{before}. Next:")
    console.print(f"python -m monai_kd data check {escape(str(folder))}")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise ValueError("Nothing was downloaded: add --accept-license if you accept the license shown above.")
    if not typer.confirm("Do you accept this license?"):
        raise ValueError("Nothing was downloaded: the license was not accepted.")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=console)
