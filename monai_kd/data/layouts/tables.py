# SPDX-License-Identifier: Apache-2.0
"""The publishers' tables (CSV and XLSX) as lists of dictionaries."""

from __future__ import annotations

import csv
import logging
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from monai_kd.data.records.record import pathology_of
from monai_kd.utils.messages import first_few

logger = logging.getLogger(__name__)

Row = dict[str, Any]

MAX_ROWS = 100_000
MAX_BYTES = 2**26  # of an Excel file, unpacked


def read_csv(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[Row]:
    """
    Rows of a CSV file in UTF-8, with or without a byte-order mark; ``columns`` must exist.

    Raises:
        FileNotFoundError: When there is no such table.
        ValueError: When it cannot be read, is not text, lacks one of ``columns`` or has too many rows.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No table {path}. Copy it from the publisher's archive.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter)
            rows, header = list(islice(reader, MAX_ROWS + 1)), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV table ({error}). Copy it again from the publisher's archive.") from None
    _require_rows(path, rows)
    _require_columns(path, header, columns)
    cut = [str(line) for line, row in enumerate(rows, start=2) if any(row[column] is None for column in columns)]
    if cut:
        raise ValueError(f"{path} is cut off at line {cut[0]}. Copy it again from the publisher's archive.")
    return rows


def read_xlsx(path: Path | None, columns: Sequence[str], looked_for: str) -> list[Row]:
    """
    Rows of the first sheet of an Excel file. If the file or openpyxl is missing, no rows and one warning.

    Args:
        path: the table, or None if the data set has none.
        columns: names of columns that must exist.
        looked_for: the table's usual name, for the warning.

    Raises:
        ValueError: When the file is not an Excel table, lacks one of ``columns`` or is too large.
    """
    if path is None:
        warnings.warn(f"No table {looked_for}: pathology is unknown, and splits ignore it.", stacklevel=3)
        return []
    try:
        from openpyxl import load_workbook
    except ImportError:
        warnings.warn(f"{path.name} needs openpyxl; pathology is unknown. Run: pip install openpyxl", stacklevel=3)
        return []
    try:
        with path.open("rb") as stream:
            unpacked = sum(part.file_size for part in zipfile.ZipFile(stream).infolist())
            if unpacked > MAX_BYTES:
                raise ValueError(f"its parts are {unpacked:,} bytes unpacked, more than {MAX_BYTES:,}")
            sheet = load_workbook(stream, read_only=True, data_only=True).worksheets[0]
            # A damaged cell number can produce millions of empty rows.
            cells = list(islice(sheet.iter_rows(values_only=True), MAX_ROWS + 1))
            lines = [line for line in cells if any(cell is not None for cell in line)]
    except Exception as error:  # openpyxl passes on all errors of zip, XML and its own parser
        raise ValueError(
            f"{path} is not an Excel table ({error}). Copy it again from the publisher's archive."
        ) from None
    _require_rows(path, cells)
    header = [str(cell).strip() for cell in lines[0]] if lines else []
    _require_columns(path, header, columns)
    return [{**dict.fromkeys(header), **dict(zip(header, line, strict=False))} for line in lines[1:]]


def rows_by(path: Path, rows: Sequence[Row], id_of: Callable[[Row], str]) -> dict[str, Row]:
    """A table's rows by the id of their image; two rows of one image that differ raise a ValueError."""
    found: dict[str, Row] = {}
    for row in rows:
        key = id_of(row)
        if found.setdefault(key, row) != row:
            raise ValueError(f"{path} has two rows for {key} that differ. Keep the right one.")
    return found


def pathologies(path: Path | None, rows: Sequence[Row], id_of: Callable[[Row], str], column: str) -> dict[str, str]:
    """Each image's pathology from a table's column; rows of one image may differ only in other columns."""
    pairs = [{"id": id_of(row), "pathology": pathology_of(row[column])} for row in rows]
    return {key: row["pathology"] for key, row in rows_by(path or Path(), pairs, lambda row: row["id"]).items()}


def warn_of_unlisted(path: Path | None, listed: Mapping[str, str], images: Collection[str]) -> None:
    """Log the images that a table lacks; only their pathology is needed from it."""
    absent = sorted(set(images) - set(listed))
    if listed and absent:
        logger.warning("%s has no row for %s: their pathology is unknown.", path, first_few(absent))


def require_same_images(table: Path, listed: Collection[str], images: Collection[str]) -> None:
    """Check that the table of patients and the folder list the same images; a ValueError names the others."""
    unlisted, absent = sorted(set(images) - set(listed)), sorted(set(listed) - set(images))
    if unlisted:
        raise ValueError(
            f"{len(unlisted)} images are not in {table}: {first_few(unlisted)}. "
            "Their patients are unknown. Add the rows, or move the images elsewhere."
        )
    if absent:
        raise ValueError(
            f"{len(absent)} rows of {table} have no image: {first_few(absent)}. "
            "Copy the images again, or remove the rows."
        )


def _require_rows(path: Path, rows: Sequence[object]) -> None:
    if len(rows) > MAX_ROWS:
        raise ValueError(f"{path} has more than {MAX_ROWS:,} rows. Copy it again from the publisher's archive.")


def _require_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    absent = [column for column in columns if column not in header]
    if absent:
        raise ValueError(f"{path} has no column {', '.join(absent)}; it has {', '.join(header) or 'none'}. Add it.")
