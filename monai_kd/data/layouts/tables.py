# SPDX-License-Identifier: Apache-2.0
"""The publishers' tables (CSV and XLSX) as lists of dictionaries."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def read_csv(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows of a comma-separated table.

    Raises:
        FileNotFoundError: when there is no such table.
        ValueError: when it is not text, or lacks one of ``columns``.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No table {path}. Copy it from the publisher's archive.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows, header = list(reader), reader.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV table ({error}). Copy it again from the publisher's archive.") from error
    _require_columns(path, header, columns)
    cut = [str(line) for line, row in enumerate(rows, start=2) if any(row[column] is None for column in columns)]
    if cut:
        raise ValueError(f"{path} is cut off at line {cut[0]}. Copy it again from the publisher's archive.")
    return rows


def read_xlsx(path: Path | None, columns: Sequence[str], looked_for: str) -> list[Row]:
    """Rows of an Excel table's first sheet; none, with one warning, where table or openpyxl is missing.

    Args:
        path: the table, or None where the data set came without it.
        columns: the columns that must be there.
        looked_for: the table's usual name, for the warning.

    Raises:
        ValueError: when the file is not an Excel table, or lacks one of ``columns``.
    """
    if path is None:
        warnings.warn(f"No table {looked_for}: pathology is unknown, splits are not stratified by it.", stacklevel=3)
        return []
    try:
        from openpyxl import load_workbook
    except ImportError:
        warnings.warn(f"{path.name} needs openpyxl, pathology is unknown. Run: pip install openpyxl", stacklevel=3)
        return []
    try:
        with path.open("rb") as stream:
            sheet = load_workbook(stream, read_only=True, data_only=True).worksheets[0]
            lines = [line for line in sheet.iter_rows(values_only=True) if any(cell is not None for cell in line)]
    except Exception as error:  # openpyxl lets through whatever zip, XML and its own parser raise
        raise ValueError(
            f"{path} is not an Excel table ({error}). Copy it again from the publisher's archive."
        ) from error
    header = [str(cell).strip() for cell in lines[0]] if lines else []
    _require_columns(path, header, columns)
    return [dict(zip(header, line, strict=False)) for line in lines[1:]]


def _require_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    absent = [column for column in columns if column not in header]
    if absent:
        raise ValueError(f"{path} has no column {', '.join(absent)}; it has {', '.join(header) or 'none'}.")
