# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python -m monai_kd``."""

from __future__ import annotations

import typer
from rich.markup import escape

from monai_kd.commands.benchmark import benchmark
from monai_kd.commands.bundle_copy import copy
from monai_kd.commands.bundle_pack import pack
from monai_kd.commands.console import error_console
from monai_kd.commands.data.boxes import boxes
from monai_kd.commands.data.check import check
from monai_kd.commands.data.convert import convert
from monai_kd.commands.data.download import download
from monai_kd.commands.data.phantom import phantom
from monai_kd.commands.data.split import split
from monai_kd.commands.demo import demo
from monai_kd.commands.diagnose import diagnose
from monai_kd.commands.distill import distill
from monai_kd.commands.export import export
from monai_kd.commands.label.install import install
from monai_kd.commands.label.start import start
from monai_kd.commands.run import run as run_config
from monai_kd.commands.run_errors import Stopped
from monai_kd.commands.segment import segment
from monai_kd.commands.study.groups import groups
from monai_kd.commands.study.report import report
from monai_kd.commands.study.run import run
from monai_kd.utils.messages import first_cause

INTERRUPTED = 130  # what typer ends with after Ctrl+C
MENDABLE = (ValueError, OSError, ImportError)  # by the user, who needs no traceback then

app = typer.Typer(
    name="monai_kd",
    context_settings={"token_normalize_func": lambda name: name.replace("_", "-")},  # --output_dir is --output-dir
    add_completion=False,  # the shell completes names of programs, not of modules
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Distil small segmentation networks from large ones with MONAI. Training, evaluation and inference run "
    "configs of MONAI Bundles: python -m monai_kd run train --bundle breast_ultrasound_segmentation --dataset_dir DATA",
)
data_app = typer.Typer(no_args_is_help=True, help="Check, split, convert, download and make data sets.")
app.add_typer(data_app, name="data")

study_app = typer.Typer(no_args_is_help=True, help="Compare many models on several splits, with statistics.")
app.add_typer(study_app, name="study")

label_app = typer.Typer(no_args_is_help=True, help="Serve a student to 3D Slicer by MONAI Label, and distil it there.")
app.add_typer(label_app, name="label")

bundle_app = typer.Typer(no_args_is_help=True, help="Copy a bundle to work on, or pack it to give away.")
app.add_typer(bundle_app, name="bundle")

app.command()(benchmark)
app.command()(demo)
app.command()(diagnose)
app.command()(distill)
app.command()(export)
app.command()(segment)
app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run_config)
bundle_app.command()(copy)
bundle_app.command()(pack)
data_app.command()(boxes)
data_app.command()(check)
data_app.command()(convert)
data_app.command()(download)
data_app.command()(phantom)
data_app.command()(split)
label_app.command()(install)
label_app.command()(start)
study_app.command()(groups)
study_app.command()(report)
study_app.command()(run)


def main() -> None:
    """Run the command line; what a user can mend is one line, not a traceback."""
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED and not isinstance(end, Stopped):
            error_console.print("[bold red]Stopped[/] by Ctrl+C. What was not whole is removed.")
        raise
    except Exception as error:
        cause = first_cause(error, MENDABLE)
        if not isinstance(cause, MENDABLE):
            raise
        error_console.print(f"[bold red]Error:[/] {escape(str(cause))}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
