# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd label start``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def start(
    app: Annotated[Path, typer.Argument(help="An app's folder, of 'label install' or MONAI Label's own.")],
    studies: Annotated[Path, typer.Option(help="The folder of images; labels are written into it.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where 3D Slicer finds the server.")] = 8000,
    most_megabytes: Annotated[
        int, typer.Option("--most_megabytes", "--most-megabytes", min=1, help="A larger upload is refused.")
    ] = 256,
    conf: Annotated[
        list[str] | None, typer.Option(help="name=value for the app, as MONAI Label's own --conf name value.")
    ] = None,
) -> None:
    """
    Start MONAI Label's server at 127.0.0.1, for programs of this machine alone. End it by Ctrl+C.

    In 3D Slicer: MONAI Label, server http://127.0.0.1:8000, Next Sample, Run, correct, Submit Label, Train.

    Example: python -m monai_kd label start label/app --studies label/images
    """
    from monai_kd.label.server import serve

    words = [word for text in conf or [] for word in text.split("=", 1)]
    if len(words) % 2:
        raise ValueError(f"--conf takes name=value, got {', '.join(conf or [])}.")
    serve(app, studies, port, most_megabytes, words)
