# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data boxes``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.image_progress import image_progress


def boxes(
    table: Annotated[Path, typer.Argument(help="CSV with the columns id,x0,y0,x1,y1: a row for each lesion's box.")],
    images: Annotated[Path, typer.Argument(help="The images: a folder, or a data set in any layout.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
) -> None:
    """
    Draw masks from boxes, so that a clinic can train from boxes: images, labels and soft masks, and what made them.

    The boxes are in pixels of the image, x to the right, y down. LiteMedSAM draws the outlines, about two seconds an
    image on a CPU; it needs: pip install 'monai_kd[medsam]'.

    Example: python -m monai_kd data boxes boxes.csv scans from_boxes

    Then train on from_boxes as on any data set.
    """
    from monai_kd.segmentation.outline_boxes import outline_boxes

    with image_progress() as progress:
        told = outline_boxes(table, images, out, progress=progress)
    console.print(f"{len(told['boxes'])} images with masks in {out}", markup=False, highlight=False)
