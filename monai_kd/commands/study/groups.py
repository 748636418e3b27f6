# SPDX-License-Identifier: Apache-2.0
"""``python -m monai_kd study groups``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_kd.commands.console import console
from monai_kd.commands.settings import one_or_all

Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--dataset_dir", "--dataset-dir", help="Where the images are now, if not where they were; may be repeated."
    ),
]
Row = Annotated[
    str | None,
    typer.Option(help="Whose failures to draw. Default: the last row that is neither teacher nor student."),
]


def groups(
    output_dir: Annotated[Path, typer.Argument(help="The folder of 'study run'.")],
    dataset_dir: Data = None,
    row: Row = None,
    count: Annotated[int, typer.Option(min=1, max=12, help="So many failures.")] = 6,
) -> None:
    """
    Tell for which images each model is good: by pathology and by the lesion's size, with the lesions that are missed.

    Writes groups.md and groups.csv into the study's folder, and failures.png: the test images on which one model does
    worst, with its contours and the teacher's, and what went wrong.

    Example: python -m monai_kd study groups runs/paper --row L_KLD
    """
    from monai_kd.study.reporting.group_report import write_groups

    folders = one_or_all(dataset_dir) if dataset_dir else None
    tables, told = write_groups(output_dir, folders, row, count)
    for part in [*(table.markdown() for table in tables), *told]:
        console.print(part, markup=False, highlight=False)
