# SPDX-License-Identifier: Apache-2.0
"""A report as Markdown, and as one HTML file that contains its pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.tables import Table

__all__ = ["Figure", "write_html", "write_markdown"]

STYLE = """
:root { color-scheme: light dark; --page: light-dark(#fff, #16181c); --line: light-dark(#ddd, #3a3d44) }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 100em; margin: 2em auto; padding: 0 1em;
  color: light-dark(#1a1a1a, #dedede); background: var(--page) }
section > div { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }
th, td { padding: .3em .7em; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th { white-space: normal; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--page) }
tbody tr:hover td { background: light-dark(#f3f6fa, #22262d) }
img { max-width: 100% }
p { max-width: 60em }
.first { font-size: 1.2em; font-weight: 600 }
th button { all: unset; cursor: pointer; font: inherit }
th button:focus-visible { outline: 2px solid }
[aria-sort=ascending] button::after { content: " ▲" }
[aria-sort=descending] button::after { content: " ▼" }
"""
# A heading sorts its table: numbers by their value (1,234 and <0.01 and 1/8, too), and cells without one last.
SORT = """
for (const heading of document.querySelectorAll("th")) {
  const button = document.createElement("button");
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => {
    const down = heading.getAttribute("aria-sort") !== "descending";
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = heading.closest("table").tBodies[0], at = heading.cellIndex;
    const isName = at === 0;
    const value = (row) => {
      const [number, divisor] = row.cells[at].innerText.replace(/^<|,/g, "").split("/").map(parseFloat);
      return number / (divisor || 1);
    };
    const compare = (a, b) => isName ? b.cells[0].innerText.localeCompare(a.cells[0].innerText) : value(b) - value(a);
    const rows = [...body.rows], known = rows.filter((row) => isName || !isNaN(value(row)));
    known.sort((a, b) => down ? compare(a, b) : compare(b, a));
    body.append(...known, ...rows.filter((row) => !known.includes(row)));
  });
}
"""


@dataclass(frozen=True)
class Figure:
    """A PNG file with a title above it and a note below it."""

    title: str
    path: Path
    note: str


def write_markdown(
    path: Path, title: str, facts: Sequence[str], tables: Sequence[Table], figures: Sequence[Figure]
) -> None:
    """
    Write a report as Markdown: facts as a list, then tables, then figures, whose files must lie in the same folder.
    """
    parts = [f"# {title}", "\n".join(f"- {fact}" for fact in facts), *(table.markdown() for table in tables)]
    parts += [f"## {figure.title}\n\n![{figure.title}]({figure.path.name})\n\n{figure.note}" for figure in figures]
    _write(path, "\n\n".join(part.rstrip() for part in parts) + "\n")


def write_html(
    path: Path, title: str, facts: Sequence[str], tables: Sequence[Table], figures: Sequence[Figure]
) -> None:
    """
    Write a report as one HTML file that contains its pictures: the first fact, tables that a heading sorts, figures,
    and the other facts as a list.
    """
    first, *others = facts
    listed = "".join(f"<li>{escape(fact)}</li>" for fact in others)
    drawn = "\n".join(
        f'<section>\n<h2>{escape(figure.title)}</h2>\n<img alt="{escape(figure.title)}" '
        f'src="data:image/png;base64,{base64.b64encode(figure.path.read_bytes()).decode()}">\n'
        f"<p>{escape(figure.note)}</p>\n</section>"
        for figure in figures
    )
    sections = "\n".join([*(table.html() for table in tables), drawn])
    _write(
        path,
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'<p class="first">{escape(first)}</p>\n'
        f"{sections}\n<ul>{listed}</ul>\n<script>{SORT}</script>\n</body>\n</html>\n",
    )


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
