# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python -m monai_kd``."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape

from monai_kd.commands.benchmark import benchmark
from monai_kd.commands.bundle.copy import copy
from monai_kd.commands.bundle.pack import pack
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
from monai_kd.commands.run.run import run as run_config
from monai_kd.commands.run.run_errors import Stopped
from monai_kd.commands.segment import segment
from monai_kd.commands.study.groups import groups
from monai_kd.commands.study.report import report
from monai_kd.commands.study.run import run
from monai_kd.commands.web import web
from monai_kd.utils.messages import first_cause
from monai_kd.version import __version__

INTERRUPTED = 130  # what typer ends with after Ctrl+C
MENDABLE = (ValueError, OSError, ImportError)  # errors that a user can correct, without a traceback

app = typer.Typer(
    name="monai_kd",
    context_settings={"token_normalize_func": lambda name: name.replace("_", "-")},  # --output_dir is --output-dir
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Distil small segmentation networks from large ones with MONAI.\n\n"
    "Training, evaluation and inference run configs of MONAI Bundles.\n\n"
    "Example: `python -m monai_kd run train --bundle breast_ultrasound_segmentation --dataset-dir DATA`",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"monai_kd {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options before a command."""


def _add(group: typer.Typer, *commands: Callable[..., None]) -> None:
    """Add commands, each with its docstring's first paragraph as a summary: typer would cut it where it is long."""
    for command in commands:
        group.command(short_help=_summary(command))(command)


def _summary(command: Callable[..., None]) -> str:
    return inspect.cleandoc(command.__doc__ or "").partition("\n\n")[0]


def _group(name: str, summary: str) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, help=summary, short_help=summary)
    app.add_typer(group, name=name)
    return group


_add(app, benchmark, demo, diagnose, distill, export, segment, web)
_add(
    _group("data", "Check, split, convert, download and make data sets."),
    boxes,
    check,
    convert,
    download,
    phantom,
    split,
)
_add(_group("study", "Compare many models on several splits, with statistics."), groups, report, run)
_add(_group("label", "Serve a student to 3D Slicer, and distil it there."), install, start)
_add(_group("bundle", "Copy a bundle to work on, or pack it to give away."), copy, pack)
ANY_ID = {"allow_extra_args": True, "ignore_unknown_options": True}  # of the config that is run
app.command("run", short_help=_summary(run_config), context_settings=ANY_ID)(run_config)


def _hide_missing_decoder() -> None:
    """MONAI warns with every reader that a decoder for DICOM on GPUs is missing, also where no file is DICOM."""
    logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")


def main() -> None:
    """Run the command line. An error that a user can correct is one line, without a traceback."""
    _hide_missing_decoder()
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED and not isinstance(end, Stopped):
            error_console.print("[bold red]Stopped[/] by Ctrl+C. Unfinished files were removed.")
        raise
    except Exception as error:
        cause = first_cause(error, MENDABLE)
        if not isinstance(cause, MENDABLE):
            raise
        error_console.print(f"[bold red]Error:[/] {escape(str(cause))}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
