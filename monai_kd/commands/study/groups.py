# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd study groups``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.options import INT
from monai_kd.commands.settings import one_or_all

Study = Annotated[Path, typer.Argument(help="The output folder of 'study run'.")]
Data = Annotated[list[Path] | None, typer.Option(help="The data set's folder. Default: where it was.")]
Row = Annotated[str | None, typer.Option(help="Row whose failures are drawn. Default: the last method.")]
Against = Annotated[str | None, typer.Option(help="Row to compare all others with. Default: the student.")]
Failures = Annotated[int, typer.Option(min=1, max=12, metavar=INT, help="Number of failures to draw.")]


def groups(
    study_dir: Study, dataset_dir: Data = None, row: Row = None, against: Against = None, failures: Failures = 6
) -> None:
    """
    Tell for which images each model is good.

    The tables show scores by pathology and by the lesion's size, and the lesions that are missed. They are written to
    `groups.md` and `groups.csv` in the study's folder. `failures.png` shows the test images on which one model does
    worst, with its contours and the teacher's, and what went wrong. The last method is the last row that is neither
    teacher nor student. `--dataset-dir` may be repeated.

    Example: `python -m monai_kd study groups runs/paper --row L_KLD`
    """
    from monai_kd.study.reporting.group_report import write_groups

    folders = one_or_all(dataset_dir) if dataset_dir else None
    tables, told = write_groups(study_dir, folders, row, failures, against)
    for part in [*(table.markdown() for table in tables), *told]:
        console.print(part, markup=False, highlight=False)
