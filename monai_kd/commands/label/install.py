# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd label install``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console, show_log
from monai_kd.commands.options import BUNDLE, Bundle, Checkpoint, Setting
from monai_kd.commands.settings import parse_settings


def install(
    output_dir: Annotated[Path, typer.Option(help="The app's folder, for the server to write; must be new.")],
    bundle: Bundle = BUNDLE,
    checkpoint: Checkpoint = None,
    teacher_checkpoint: Annotated[
        Path | None, typer.Option(help="The teacher's weights. Default: the bundle's teacher.pt.")
    ] = None,
    setting: Setting = None,
) -> None:
    """
    Write a MONAI Label app that serves and distils a student.

    The app serves the bundle's student, and distils it from the annotator's work. The checkpoints' records say what the
    networks were trained with; for weights without a record, `--set` says it.

    Example: `python -m monai_kd label install --output-dir label/app --checkpoint runs/model.pt
    --teacher-checkpoint runs/teacher.pt`
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.label.install import install as write

    show_log("monai_kd.bundle.record")
    app = write(output_dir, find_path(bundle), checkpoint, teacher_checkpoint, **parse_settings(setting))
    if not app.teacher.is_file():
        text = "No teacher: the app serves the student, and does not train it. "
        text += f"To train, give --teacher-checkpoint, or put the weights at {app.teacher}."
        console.print(text, markup=False, highlight=False)
    text = f"App in {output_dir}. Next: python -m monai_kd label start {output_dir} --studies IMAGES"
    console.print(text, markup=False, highlight=False)
