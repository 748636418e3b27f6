# SPDX-License-Identifier: Apache-2.0
"""A table that can be written as Markdown, CSV and HTML."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from monai_kd.utils.atomic_files import atomic_write

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """
    A table of text cells with a title and notes.

    Args:
        title: heading above the table.
        columns: column headings; the first column holds names and is left-aligned in Markdown.
        notes: paragraphs below the table.

    Example:
        >>> print(Table("Dice", ["model", "mean"], [["teacher", "0.82"]]).markdown())
        ## Dice
        <BLANKLINE>
        | model | mean |
        | --- | ---: |
        | teacher | 0.82 |
        <BLANKLINE>
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table in GitHub's Markdown."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        cells = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        return "\n".join([f"## {self.title}", "", *cells, "", *(f"{note}\n" for note in self.notes)])

    def html(self) -> str:
        """The table as an HTML ``<section>``."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.columns)
        body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
        return f"<section>\n<h2>{escape(self.title)}</h2>\n<div>{table}</div>\n{notes}\n</section>"

    def write_csv(self, path: Path) -> None:
        """Write the headings and rows, without title and notes."""
        with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.columns, *self.rows])
