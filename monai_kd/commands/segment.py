# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd segment``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from monai_kd.commands.console import console
from monai_kd.commands.image_progress import image_progress
from monai_kd.commands.run_errors import RunErrors

Images = Annotated[list[Path], typer.Argument(help="Files, folders of images or data sets, of any format.")]
Out = Annotated[Path, typer.Option("--out", "--output_dir", "--output-dir", help="Folder of masks and overlays.")]
Bundle = Annotated[str, typer.Option(help="The bundle's folder or name.")]
Network = Annotated[
    str | None, typer.Option(help="An overlay of the bundle's configs/networks: 'small' has 42,000 parameters.")
]
Checkpoint = Annotated[Path | None, typer.Option(help="Your own weights. Default: the bundle's.")]
Trace = Annotated[bool, typer.Option("--trace", help="Show an error's whole traceback.")]


def segment(
    images: Images,
    out: Out,
    network: Network = None,
    checkpoint: Checkpoint = None,
    bundle: Bundle = "breast_ultrasound_segmentation",
    trace: Trace = False,
) -> None:
    """
    Segment images with the bundle's shipped student: a mask of each, and a picture with the mask's contour.

    Masks are PNG for pictures, else NIfTI or NRRD on the image's own grid; of a cine loop one for each frame.

    For research only; not for diagnosis.

    Example: python -m monai_kd segment scan.png data/BUSBRA/Images --out masks
    """
    with RunErrors(trace) as errors:
        from monai_kd.segmentation.segment import segment as segment_images

        errors.prepare()
        for name in ("ignite", "monai.bundle.workflows"):
            logging.getLogger(name).setLevel(logging.ERROR)
        with image_progress() as progress:
            result = segment_images(images, out, bundle, network, checkpoint, progress)
        table = Table("image", "mask", "lesion")
        for one in result.images:
            table.add_row(
                one.image.name, one.mask.name, f"{100 * one.share:.1f} % of the image" if one.share else "none found"
            )
        console.print(table)
        count = f"{len(result.images)} image{'s' if len(result.images) > 1 else ''}"
        whose = "as shipped" if result.is_shipped else "not the shipped ones"
        console.print(f"{count}: masks in {out}, pictures in {out / 'overlays'}", markup=False, highlight=False)
        console.print(f"Weights: {result.checkpoint}, {whose}", markup=False, highlight=False)
