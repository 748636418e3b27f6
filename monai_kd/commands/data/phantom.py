# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd data phantom``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from monai_kd.commands.console import console
from monai_kd.commands.options import INT, OutputDir, Seed

Count = Annotated[int | None, typer.Option(min=1, metavar=INT, help="Number of images. Default: 163; of volumes: 20.")]
Probe = Annotated[str, typer.Option(help="linear, or curved: a sector on black.")]
Scanner = Annotated[str | None, typer.Option(help="crisp, smooth, vintage or handheld. Default: random.")]
Depth = Annotated[float | None, typer.Option(help="Depth in mm: 20-80, curved 40-150. Default: random.")]
Gain = Annotated[float, typer.Option(help="dB added to the scanner's gain, -30 to 30.")]
Noise = Annotated[float, typer.Option(help="dB added to the electronic noise, -30 to 40.")]
Range = Annotated[float | None, typer.Option(help="dB from black to white, 30 to 100. Default: the scanner's.")]
Normal = Annotated[float, typer.Option(help="Share of images without a lesion, 0 to 1.")]
Margins = Annotated[bool, typer.Option("--margins", help="Draw a console's text and ruler around the scan.")]
Volumes = Annotated[bool, typer.Option("--volumes", help="Write volumes of 96 x 96 x 64 voxels.")]


def phantom(
    output_dir: OutputDir,
    count: Count = None,
    seed: Seed = 0,
    probe: Probe = "linear",
    scanner: Scanner = None,
    depth: Depth = None,
    gain: Gain = 0.0,
    noise: Noise = 0.0,
    dynamic_range: Range = None,
    normal_fraction: Normal = 0.0,
    margins: Margins = False,
    volumes: Volumes = False,
) -> None:
    """
    Write synthetic breast-ultrasound images with masks.

    The images are in the layout of Dataset_A. The table `DatasetB.xlsx` holds the type of each image: Benign, Malignant
    or Normal. With any option other than `--count` and `--seed`, it also holds a pixel's size and the box of the scan
    in the image. The same seed gives the same breasts under each scanner: two scanners make two domains. By default,
    each image has a random scanner and depth. Volumes are written to `images/ID.nii.gz` and `labels/ID.nii.gz`.

    Example: `python -m monai_kd data phantom --output-dir data/phantoms --count 200`

    One of two domains: `python -m monai_kd data phantom --output-dir data/crisp --scanner crisp`

    Three classes: `python -m monai_kd data phantom --output-dir data/classes --normal-fraction 0.33`

    Hard cases: `python -m monai_kd data phantom --output-dir data/hard --probe curved --depth 120 --noise 15 --margins`

    Volumes: `python -m monai_kd data phantom --output-dir data/sweeps --volumes --count 40`
    """
    from monai_kd.phantom import PhantomSettings, write_phantom_volumes, write_phantoms

    chosen = PhantomSettings(probe, scanner, depth, gain, noise, dynamic_range, normal_fraction, margins)
    settings = None if chosen == PhantomSettings() else chosen
    write, things = (write_phantom_volumes, "volumes") if volumes else (write_phantoms, "images")
    count = count or (20 if volumes else 163)
    with Progress(console=console) as progress:
        task = progress.add_task("phantoms", total=count)
        write(output_dir, count, seed, lambda done: progress.update(task, completed=done), settings)
    console.print(f"{count} {things} in {escape(str(output_dir))}")
