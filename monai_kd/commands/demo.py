# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console


def demo(
    output_dir: Annotated[Path, typer.Option(help="Folder of data, checkpoints, scores and the report.")] = Path(
        "demo"
    ),
    bundle_root: Annotated[str, typer.Option(help="The bundle's folder or name.")] = "breast_ultrasound_segmentation",
    seed: Annotated[int, typer.Option(min=0, help="The same seed and number of threads give the same table.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the students, of 50 steps each.")] = 30,
) -> None:
    """
    Train a teacher, a student alone and the same student distilled, on synthetic images, and compare them.

    Few images have labels. The teacher learns from these, the distilled student from the teacher's answers on all.
    """
    from monai_kd.bundle.finding import find_bundle
    from monai_kd.demo import run_demo

    run_demo(output_dir, find_bundle(bundle_root), seed=seed, epochs=epochs, console=console)
