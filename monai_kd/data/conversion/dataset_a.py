# SPDX-License-Identifier: Apache-2.0
"""Dataset_A's own layout: ``original/000001.png``, ``GT/000001.png`` (0 and 255) and ``DatasetB.xlsx``."""

from __future__ import annotations

from pathlib import Path

from monai_kd.data.conversion.naming import numbers
from monai_kd.data.conversion.pixels import PNG
from monai_kd.data.conversion.target import Entry, Target
from monai_kd.data.splits.groups import Split


def _write_table(folder: Path, entries: list[Entry], splits: list[Split]) -> None:
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise ImportError("DatasetB.xlsx needs openpyxl. Run: pip install openpyxl") from error
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Image", "Type", "Patient"])
    for entry in entries:
        sheet.append([entry["id"], entry["pathology"].capitalize(), entry["patient"]])
    book.save(folder / "DatasetB.xlsx")


DATASET_A = Target(
    name="dataset_a",
    image="original/{id}",
    label="GT/{id}",
    names=numbers,
    suffix=lambda _: PNG,
    finish=_write_table,
)
