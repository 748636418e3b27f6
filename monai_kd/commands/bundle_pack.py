# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd bundle pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.settings import parse_settings


def pack(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder or name.")],
    output_dir: Annotated[Path, typer.Option(help="Folder of the archive.")] = Path("dist"),
    checkpoint: Annotated[Path | None, typer.Option(help="The student's weights. Default: the bundle's model.pt.")] = (
        None
    ),
    without_weights: Annotated[
        bool, typer.Option("--without-weights", help="Pack none: it can be trained, but not loaded.")
    ] = False,
    with_teacher: Annotated[
        bool,
        typer.Option("--with-teacher", help="Pack the teacher's weights, too: a training in the archive needs them."),
    ] = False,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="id=value: what the student was trained with, e.g. spatial_size=[96,96]."),
    ] = None,
) -> None:
    """
    Pack a bundle as <name>_v<version>.zip, as MONAI downloads and loads it; inference in it needs MONAI only.

    Example: python -m monai_kd bundle pack breast_ultrasound_segmentation --checkpoint runs/model.pt
    --set spatial_size=[96,96] --set student_channels=[8,12,16,24,32]
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.packing import pack_bundle

    root = find_path(bundle)
    path = pack_bundle(root, output_dir, checkpoint, not without_weights, with_teacher, **parse_settings(setting))
    text = f"{path}: {path.stat().st_size / 1000:.0f} kB" + (", without weights" if without_weights else "")
    console.print(text, markup=False, highlight=False)
