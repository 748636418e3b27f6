# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have: each has one name and one meaning in all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BUNDLE",
    "Bundle",
    "Checkpoint",
    "Fold",
    "INT",
    "Json",
    "Layout",
    "Network",
    "OutputDir",
    "RuntimeDir",
    "Seed",
    "Setting",
    "SplitFile",
    "Threads",
    "Trace",
]

INT = "<int>"  # shorter than typer's own word for a whole number in a range: the option's name beside it has room
BUNDLE = "breast_ultrasound_segmentation"

Bundle = Annotated[str, typer.Option(help="The bundle's folder or name.")]
Checkpoint = Annotated[Path | None, typer.Option(help="The student's weights. Default: the bundle's.")]
Fold = Annotated[int, typer.Option(min=0, metavar=INT, help="Number of the split, as in the training.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of the tables.")]
Layout = Annotated[str | None, typer.Option(help="The data set's layout. Default: found from its files.")]
Network = Annotated[str | None, typer.Option(help="An overlay of configs/networks: small. Default: none.")]
OutputDir = Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")]
RuntimeDir = Annotated[Path | None, typer.Option(help="Folder of npm packages for the page. Default: a cache.")]
Seed = Annotated[int, typer.Option(min=0, metavar=INT, help="The same seed gives the same result.")]
Setting = Annotated[list[str] | None, typer.Option("--set", help="id=value of the config; may be repeated.")]
SplitFile = Annotated[Path | None, typer.Option(help="A file of 'data split'. Default: random splits.")]
Threads = Annotated[int, typer.Option(min=1, metavar=INT, help="Number of CPU threads.")]
Trace = Annotated[bool, typer.Option("--trace", help="Show the whole traceback of an error.")]
