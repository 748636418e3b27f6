# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data phantom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from monai_kd.commands.console import console


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    count: Annotated[int, typer.Option(min=1, help="Number of images.")] = 163,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
) -> None:
    """Write synthetic breast-ultrasound images with lesion masks, in the layout of Dataset_A."""
    from monai_kd.data import write_phantoms

    with Progress(console=console) as progress:
        task = progress.add_task("phantoms", total=count)
        write_phantoms(out, count=count, seed=seed, progress=lambda done: progress.update(task, completed=done))
    console.print(f"{count} images in {out}")
