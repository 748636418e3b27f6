# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd label install``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from monai_kd.commands.console import console


def install(
    dest: Annotated[Path, typer.Argument(help="The app's folder, where the server may write; must not exist.")],
    bundle: Annotated[Path, typer.Option(help="The bundle to serve and to train.")] = Path(
        "bundles/breast_ultrasound_segmentation"
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
    from monai_kd.label.install import install as write

    write(dest, bundle, student, teacher, **dict(_setting(text) for text in setting or []))
    text = f"App in {dest}. Next: python -m monai_kd label start {dest} --studies IMAGES"
    console.print(text, markup=False, highlight=False)


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise ValueError(f"--set {text} is not id=value with a JSON value, such as max_epochs=20.") from error
