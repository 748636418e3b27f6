# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd bundle pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console, show_log
from monai_kd.commands.options import Checkpoint, Setting
from monai_kd.commands.settings import parse_settings


def pack(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder or name.")],
    output_dir: Annotated[Path, typer.Option(help="Folder of the archive.")] = Path("dist"),
    checkpoint: Checkpoint = None,
    without_weights: Annotated[bool, typer.Option("--without-weights", help="Pack no weights.")] = False,
    with_teacher: Annotated[bool, typer.Option("--with-teacher", help="Pack the teacher's weights, too.")] = False,
    setting: Setting = None,
) -> None:
    """
    Pack a bundle as MONAI downloads and loads it.

    The archive is `NAME_vVERSION.zip`. Inference in it needs MONAI only; a training in it needs the teacher's weights.
    A bundle without weights can be trained, but not loaded. The configs get the sizes in the checkpoint's record; for
    weights without a record, `--set` gives them.

    Example: `python -m monai_kd bundle pack breast_ultrasound_segmentation --checkpoint runs/model.pt`
    """
    from monai_kd.bundle.finding import find_path
    from monai_kd.packing import pack_bundle

    show_log("monai_kd.bundle.record")
    root = find_path(bundle)
    path = pack_bundle(root, output_dir, checkpoint, not without_weights, with_teacher, **parse_settings(setting))
    text = f"{path}: {path.stat().st_size / 1000:.0f} kB" + (", without weights" if without_weights else "")
    console.print(text, markup=False, highlight=False)
