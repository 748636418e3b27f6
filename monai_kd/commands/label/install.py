# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd label install``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.settings import parse_settings


def install(
    dest: Annotated[Path, typer.Argument(help="The app's folder, where the server may write; must not exist.")],
    bundle: Annotated[Path, typer.Option(help="The bundle to serve and to train: its folder or name.")] = Path(
        "breast_ultrasound_segmentation"
    ),
    student: Annotated[Path | None, typer.Option(help="The weights to serve. Default: the bundle's model.pt.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="The teacher's weights. Default: its teacher.pt.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="id=value: what the networks were trained with, e.g. spatial_size=[96,96]."),
    ] = None,
) -> None:
    """
    Write a MONAI Label app that serves a bundle's student and distils it from the annotator's work.

    Example: python -m monai_kd label install label/app --student runs/model.pt --teacher runs/teacher.pt
    --set spatial_size=[96,96] --set student_channels=[8,12,16,24,32]
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.label.install import install as write

    app = write(dest, find_path(bundle), student, teacher, **parse_settings(setting))
    if not app.teacher.is_file():
        text = f"No teacher: the app serves the student, and does not train it. To train: --teacher, or {app.teacher}."
        console.print(text, markup=False, highlight=False)
    text = f"App in {dest}. Next: python -m monai_kd label start {dest} --studies IMAGES"
    console.print(text, markup=False, highlight=False)
