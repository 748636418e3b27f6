# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd label start``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import show_log
from monai_kd.commands.options import INT


def start(
    app: Annotated[Path, typer.Argument(help="The folder of an app: of 'label install' or MONAI Label.")],
    studies: Annotated[Path, typer.Option(help="The folder of images; labels are written into it.")],
    port: Annotated[int, typer.Option(min=1, max=65535, metavar=INT, help="The server's port.")] = 8000,
    most_megabytes: Annotated[int, typer.Option(min=1, metavar=INT, help="The largest upload, in MB.")] = 256,
    conf: Annotated[list[str] | None, typer.Option(help="name=value for the app; may be repeated.")] = None,
) -> None:
    """
    Start MONAI Label's server for programs of this machine.

    The server listens at 127.0.0.1. Ctrl+C ends it. In 3D Slicer: MONAI Label, server http://127.0.0.1:8000, Next
    Sample, Run, correct, Submit Label, Train. `--conf name=value` is MONAI Label's own `--conf name value`.

    Example: `python -m monai_kd label start label/app --studies label/images`
    """
    from monai_kd.label.server import serve

    words = [word for text in conf or [] for word in text.split("=", 1)]
    if len(words) % 2:
        raise ValueError(f"--conf takes name=value, got {', '.join(conf or [])}.")
    show_log("monai_kd.label.studies.study_folder")
    serve(app, studies, port, most_megabytes, words)
