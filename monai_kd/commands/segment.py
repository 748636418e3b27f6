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
from monai_kd.commands.options import BUNDLE, INT, Bundle, Checkpoint, Network, Trace
from monai_kd.commands.run.run_errors import RunErrors

Images = Annotated[list[Path], typer.Argument(help="Files, folders of images or data sets, of any format.")]
Output = Annotated[Path, typer.Option(help="Folder of masks and overlays.")]
MaskFormat = Annotated[str, typer.Option(help="image (a format that fits it) or dicom-seg.")]
PictureFormat = Annotated[str, typer.Option(help="png or dicom-sc (Secondary Capture).")]
SmoothFrames = Annotated[int, typer.Option(min=1, metavar=INT, help="Frames of a loop to average. 1: none.")]


def segment(
    images: Images,
    output_dir: Output,
    network: Network = None,
    checkpoint: Checkpoint = None,
    bundle: Bundle = BUNDLE,
    mask_format: MaskFormat = "image",
    picture_format: PictureFormat = "png",
    smooth_frames: SmoothFrames = 1,
    trace: Trace = False,
) -> None:
    """
    Segment images with the bundle's shipped student.

    Writes a mask of each image, and a picture with the mask's contour. Masks of pictures are PNG; other masks are NIfTI
    or NRRD on the image's own grid. A cine loop has one mask for each frame. `--network small` has 42,000 parameters.
    `--mask-format dicom-seg` writes DICOM Segmentations of DICOM images, one file for all frames of a loop.

    For research only; not for diagnosis.

    Example: `python -m monai_kd segment scan.png data/BUSBRA/Images --output-dir masks`

    Example: `python -m monai_kd segment loop.dcm --mask-format dicom-seg --smooth-frames 3 --output-dir masks`
    """
    with RunErrors(trace) as errors:
        from monai_kd.segmentation.segment import segment as segment_images

        errors.prepare()
        for name in ("ignite", "monai.bundle.workflows"):
            logging.getLogger(name).setLevel(logging.ERROR)
        with image_progress() as progress:
            result = segment_images(
                images, output_dir, bundle, network, checkpoint, progress, mask_format, picture_format, smooth_frames
            )
        table = Table("image", "mask", "lesion")
        for one in result.images:
            share = f"{100 * one.share:.1f}" if one.share >= 0.001 else "below 0.1"
            name = one.image.name if one.frame is None else f"{one.image.name}, frame {one.frame}"
            table.add_row(name, one.mask.name, f"{share} % of the image" if one.share else "none found")
        console.print(table)
        count = f"{len(result.images)} image{'s' if len(result.images) > 1 else ''}"
        whose = "as shipped" if result.is_shipped else "not the shipped ones"
        console.print(
            f"{count}: masks in {output_dir}, pictures in {output_dir / 'overlays'}", markup=False, highlight=False
        )
        console.print(f"Weights: {result.checkpoint}, {whose}", markup=False, highlight=False)
