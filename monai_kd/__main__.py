# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python -m monai_kd``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

app = typer.Typer(
    name="monai_kd",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Distil small segmentation networks from large ones with MONAI. Training, evaluation and inference are MONAI "
    "Bundles: python -m monai.bundle run --config_file bundles/breast_ultrasound_segmentation/configs/train.json …",
)
data_app = typer.Typer(no_args_is_help=True, help="Make data sets.")
app.add_typer(data_app, name="data")

# Messages are not wrapped: they hold paths that people copy.
console = Console(soft_wrap=True)


@data_app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    count: Annotated[int, typer.Option(min=1, help="Number of images.")] = 163,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
) -> None:
    """Write synthetic breast-ultrasound images with lesion masks, in the layout of Dataset_A."""
    from monai_kd.data import write_phantoms

    with Progress(console=console) as progress:
        task = progress.add_task("phantoms", total=count)
        write_phantoms(out, count=count, seed=seed, progress=lambda done: progress.update(task, completed=done))
    console.print(f"{count} images in {out}")


@app.command()
def demo(
    output_dir: Annotated[Path, typer.Option(help="Folder of data, checkpoints, scores and the report.")] = Path(
        "demo"
    ),
    bundle_root: Annotated[Path, typer.Option(help="The bundle to run.")] = Path(
        "bundles/breast_ultrasound_segmentation"
    ),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same table.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of every training.")] = 60,
) -> None:
    """Train a teacher, a student alone and the same student distilled, on synthetic images, and compare them."""
    from monai_kd.demo import run_demo

    run_demo(output_dir, bundle_root, seed=seed, epochs=epochs, console=console)


def main() -> None:
    """Run the command line; what a user can mend is one line, not a traceback."""
    try:
        app()
    except Exception as error:
        cause: BaseException | None = error
        # MONAI wraps what goes wrong in a config into errors of its own.
        while cause is not None and not isinstance(cause, (ValueError, OSError, ImportError)):
            cause = cause.__cause__
        if cause is None:
            raise
        Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {escape(str(cause))}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
