# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd study report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console

Study = Annotated[Path, typer.Argument(help="The output folder of 'study run'.")]
Against = Annotated[str | None, typer.Option(help="Row to compare all others with. Default: the student.")]


def report(study_dir: Study, against: Against = None) -> None:
    """
    Write tables and figures of the runs that have finished.

    Writes Markdown, CSV, and one HTML page that needs no network.

    Example: `python -m monai_kd study report runs/paper`
    """
    from monai_kd.study.reporting.report import write_report

    folder, verdict, tables = write_report(study_dir, against)
    for table in tables:
        console.print(table.markdown(), markup=False, highlight=False)
    console.print(verdict, markup=False, highlight=False)
    console.print(f"Report: {folder / 'report.html'}", markup=False, highlight=False)
