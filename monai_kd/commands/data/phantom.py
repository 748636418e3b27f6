# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data phantom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from monai_kd.commands.console import console


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="Number of images (163 unless given) or volumes (20).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
    probe: Annotated[str, typer.Option(help="linear, or curved: a sector on black.")] = "linear",
    scanner: Annotated[
        str | None,
        typer.Option(
            help="crisp, smooth, vintage or handheld; the same breasts under each. Without: one drawn for each image."
        ),
    ] = None,
    depth: Annotated[
        float | None, typer.Option(help="Depth in mm: 20 to 80 (linear), 40 to 150 (curved).", show_default=False)
    ] = None,
    gain: Annotated[float, typer.Option(help="dB more (or less) than the scanner's, -30 to 30.")] = 0.0,
    noise: Annotated[float, typer.Option(help="dB of electronic noise more (or less), -30 to 40.")] = 0.0,
    dynamic_range: Annotated[
        float | None, typer.Option(help="dB between black and white, 30 to 100.", show_default=False)
    ] = None,
    normal_fraction: Annotated[float, typer.Option(help="Share without a lesion, of type Normal, 0 to 1.")] = 0.0,
    margins: Annotated[bool, typer.Option("--margins", help="Burn a console's text and ruler in around the scan.")] = (
        False
    ),
    volumes: Annotated[
        bool, typer.Option("--volumes", help="3D: images/<id>.nii.gz and labels/<id>.nii.gz of 96 x 96 x 64 voxels.")
    ] = False,
) -> None:
    """
    Write synthetic breast-ultrasound images with lesion masks, in the layout of Dataset_A.

    The table DatasetB.xlsx holds each image's type (Benign, Malignant or Normal) and, with any option but --count and
    --seed, a pixel's size and the box of the scan in the image.

    The same breasts in two domains, by another --scanner:

    python -m monai_kd data phantom data/crisp --scanner crisp --count 200

    Three classes: python -m monai_kd data phantom data/classes --normal-fraction 0.33

    Hard cases: python -m monai_kd data phantom data/hard --probe curved --depth 120 --noise 15 --margins

    Volumes: python -m monai_kd data phantom data/sweeps --volumes --count 40
    """
    from monai_kd.phantom import PhantomSettings, write_phantom_volumes, write_phantoms

    chosen = PhantomSettings(probe, scanner, depth, gain, noise, dynamic_range, normal_fraction, margins)
    settings = None if chosen == PhantomSettings() else chosen
    write, things = (write_phantom_volumes, "volumes") if volumes else (write_phantoms, "images")
    count = count or (20 if volumes else 163)
    with Progress(console=console) as progress:
        task = progress.add_task("phantoms", total=count)
        write(out, count, seed, lambda done: progress.update(task, completed=done), settings)
    console.print(f"{count} {things} in {escape(str(out))}")
