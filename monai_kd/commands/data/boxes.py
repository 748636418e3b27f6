# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data boxes``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.image_progress import image_progress
from monai_kd.commands.options import OutputDir


def boxes(
    table: Annotated[Path, typer.Argument(help="CSV with the columns id,x0,y0,x1,y1: a row for each box.")],
    images: Annotated[Path, typer.Argument(help="A folder of images, or a data set in any layout.")],
    output_dir: OutputDir,
) -> None:
    """
    Draw masks from boxes, to train on them.

    Writes images, labels and soft masks, and what made them: train on the folder as on any data set. The boxes are in
    pixels of the image, x to the right, y down; a row of the table is the box of one lesion. LiteMedSAM draws the
    outlines. It takes about two seconds per image on a CPU, and needs `pip install 'monai_kd[medsam]'`.

    Example: `python -m monai_kd data boxes boxes.csv scans --output-dir from_boxes`
    """
    from monai_kd.segmentation.outline_boxes import outline_boxes

    with image_progress() as progress:
        told = outline_boxes(table, images, output_dir, progress=progress)
    console.print(f"{len(told['boxes'])} images with masks in {output_dir}", markup=False, highlight=False)
