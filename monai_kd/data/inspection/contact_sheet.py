# SPDX-License-Identifier: Apache-2.0
"""A contact sheet: one PNG that shows the findings of an inspection."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from PIL import Image, ImageDraw

from monai_kd.data.inspection.contact_sheet_images import ROW, Section, sections
from monai_kd.data.inspection.contact_sheet_tile import CAPTION, FAINT, HEIGHT, INK, PAPER, WIDTH, font, tile
from monai_kd.data.inspection.inspection import Inspection
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.figures import RED

GAP = 14
MARGIN = 20
HEADING = 32
TITLE = 64
PITCH = HEADING + HEIGHT + CAPTION + GAP  # from row to row
LIMIT = 60


def write_sheet(inspection: Inspection, path: str | PathLike[str], limit: int = LIMIT) -> int:
    """
    Write a PNG with the images worth a look, each with the contour of its mask, the worst first.

    Args:
        limit: largest number of images.

    Returns:
        The number of images shown.

    Raises:
        ValueError: When ``path`` does not end in ``.png``, no image can be shown, or the file cannot be written.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"A contact sheet is a PNG, got '{path}'. Name it, for instance, check.png.")
    shown = sections(inspection, limit)
    if not shown:
        raise ValueError(f"'{inspection.root}' has no image to show. Correct the reported problems first.")
    rows = _rows(shown)
    page = Image.new("RGB", (2 * MARGIN + ROW * WIDTH + (ROW - 1) * GAP, TITLE + len(rows) * PITCH + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 6), _title(inspection), font=font(20), fill=INK)
    draw.text((MARGIN, MARGIN + 22), "Green: the mask's contour", font=font(12), fill=FAINT)
    for number, row in enumerate(rows):
        column = 0
        for section in row:
            _draw(page, draw, section, (MARGIN + column * (WIDTH + GAP), TITLE + number * PITCH))
            column += len(section.picks)
    with atomic_write(path) as unfinished:
        page.save(unfinished, format="PNG", optimize=False)
    return sum(len(section.picks) for section in shown)


def _title(inspection: Inspection) -> str:
    grave = sum(problem.prevents_training for problem in inspection.problems)
    state = f"problems that prevent training: {grave}" if grave else "nothing prevents training"
    name = Path(inspection.root).resolve().name
    return f"{name} ({inspection.layout}): {len(inspection.facts)} images, {state}"


def _rows(shown: Sequence[Section]) -> list[list[Section]]:
    """Sections side by side where they fit into one row; longer ones continue in the next row."""
    rows: list[list[Section]] = []
    for section in shown:
        for start in range(0, len(section.picks), ROW):
            part = section._replace(picks=section.picks[start : start + ROW], title="" if start else section.title)
            if rows and sum(len(other.picks) for other in rows[-1]) + len(part.picks) <= ROW:
                rows[-1].append(part)
            else:
                rows.append([part])
    return rows


def _draw(page: Image.Image, draw: ImageDraw.ImageDraw, section: Section, corner: tuple[int, int]) -> None:
    left, top = corner
    if section.title:
        color = RED if section.is_grave else INK
        draw.line((left, top + 2, left + len(section.picks) * (WIDTH + GAP) - GAP, top + 2), fill=color)
        draw.text((left, top + 8), section.title, font=font(13), fill=color)
    for number, pick in enumerate(section.picks):
        page.paste(tile(pick), (left + number * (WIDTH + GAP), top + HEADING))
