# SPDX-License-Identifier: Apache-2.0
"""A table of boxes around lesions, as labels instead of masks."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from monai_kd.utils.messages import first_few

__all__ = ["Boxes", "read_boxes", "require_inside_image", "require_known"]

Box = tuple[float, float, float, float]
Boxes = dict[str, list[Box]]
"""For each image id, its boxes: x and y of the upper left and of the lower right corner, in pixels."""

COLUMNS = ("id", "x0", "y0", "x1", "y1")


def read_boxes(path: str | Path) -> Boxes:
    """
    Read a CSV file of boxes, one box a row, with the columns ``id``, ``x0``, ``y0``, ``x1`` and ``y1``.

    An image with several lesions has several rows.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When a column is missing, a cell is not a number, or a box is empty; the message names the line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "boxes.csv").write_text("id,x0,y0,x1,y1\\nscan,10,20,110,80\\n")
        ...     read_boxes(Path(folder, "boxes.csv"))
        {'scan': [(10.0, 20.0, 110.0, 80.0)]}
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No table of boxes '{path}'. Correct the path.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if absent:
                raise ValueError(
                    f"'{path}' has no column {', '.join(absent)}. Its first line must name {', '.join(COLUMNS)}."
                )
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"'{path}' is not a CSV table ({error}). Save it as CSV, in UTF-8.") from None
    found: Boxes = {}
    for number, row in enumerate(rows, 2):
        try:
            x0, y0, x1, y1 = (float(str(row[name]).strip()) for name in COLUMNS[1:])
        except ValueError:
            raise ValueError(f"'{path}', line {number}: not four numbers. Give {', '.join(COLUMNS[1:])}.") from None
        if not (x1 > x0 and y1 > y0):
            raise ValueError(
                f"'{path}', line {number}: the box ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}) is empty. Give its upper left "
                "corner first, then its lower right one."
            )
        found.setdefault(str(row["id"]).strip(), []).append((x0, y0, x1, y1))
    if not found:
        raise ValueError(f"'{path}' holds no box. Write one row for each lesion.")
    return found


def require_known(boxes: Mapping[str, list[Box]], ids: set[str], where: object) -> None:
    """Check that the id of every box is among ``ids``; a ValueError names the others and the folder ``where``."""
    unknown = sorted(boxes.keys() - ids)
    if unknown:
        raise ValueError(
            f"{len(unknown)} ids in the table of boxes are not images in {where}: {first_few(unknown)}. An id is the "
            "image's file name without its suffix."
        )


def require_inside_image(name: str, boxes: list[Box], width: int, height: int) -> None:
    """Check that boxes lie in their image, whose width and height are in pixels; a ValueError names image and box."""
    for x0, y0, x1, y1 in boxes:
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            raise ValueError(
                f"{name}: the box ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}) is not in the image of {width} × {height} "
                "pixels. Correct it, or its id."
            )
