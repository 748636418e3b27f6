# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.options import BUNDLE, INT, Bundle, Seed


def demo(
    output_dir: Annotated[Path, typer.Option(help="Folder of data, checkpoints and the report.")] = Path("demo"),
    bundle: Bundle = BUNDLE,
    seed: Seed = 0,
    max_epochs: Annotated[int, typer.Option(min=1, metavar=INT, help="Epochs of the student's training.")] = 30,
) -> None:
    """
    Show what distillation does, on synthetic images.

    The demo trains a teacher, a student alone and the same student distilled, and compares them. Few images have
    labels: the teacher learns from these, the distilled student from the teacher's answers on all images. An epoch has
    50 steps. The same seed and number of threads give the same table.

    Example: `python -m monai_kd demo --output-dir demo`
    """
    from monai_kd.bundle.finding import find_bundle
    from monai_kd.demo import run_demo

    run_demo(output_dir, find_bundle(bundle), seed=seed, epochs=max_epochs, console=console)
