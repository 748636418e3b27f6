# SPDX-License-Identifier: Apache-2.0
"""Print an inspection of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from monai_kd.data.inspection import Inspection, Problem

SHOWN = 5  # problems of one kind
LABEL = 12


def print_report(found: Inspection, console: Console) -> None:
    """
    Print what a data set is, what is in it, and what is wrong with it.

    Args:
        found: the result of ``inspect_dataset``.
    """
    content = found.to_dict()
    _print_layout(found, console)
    if found.facts:
        _print_numbers(content, console)
    for number, remark in enumerate(found.remarks):
        _line(console, "" if number else "Remarks", remark)
    grave = [problem for problem in found.problems if problem.prevents_training]
    others = [problem for problem in found.problems if not problem.prevents_training]
    _print_problems("Prevents training", "bold red", grave, console)
    _print_problems("Worth a look", "bold yellow", others, console)
    verdict = "[bold green]Nothing prevents training.[/]" if not grave else "[bold red]Not ready for training.[/]"
    console.print(f"\n{verdict}")


def _print_layout(found: Inspection, console: Console) -> None:
    if not found.layout:
        return
    _line(console, "Data set", found.folder)
    _line(console, "Layout", f"{found.layout}: it has {found.because}")
    fitting = [name for name, missing in found.lacking.items() if not missing]
    if fitting:
        _line(console, "", f"{', '.join(fitting)} would fit, too: --layout chooses")


def _print_numbers(content: Mapping[str, Any], console: Console) -> None:
    loops = f" in {content['files']} files" if content["files"] != content["images"] else ""
    _line(
        console, "Images", f"{content['images']}{loops}, {content['masks']} mask files, {content['patients']} patients"
    )
    _line(console, "Classes", _counts(content["pathologies"]))
    _line(console, "Encoding", _counts(content["encodings"]))
    ranges = (
        ("width", "Width", "{:g}", " pixels"),
        ("height", "Height", "{:g}", " pixels"),
        ("lesion_fraction", "Lesion", "{:.1%}", " of the image"),
        ("gray_low", "Darkest", "{:g}", ", the smallest gray value of an image"),
        ("gray_mean", "Mean", "{:.0f}", ", an image's mean gray value"),
        ("gray_high", "Brightest", "{:g}", ", the largest gray value of an image"),
    )
    for key, label, form, unit in ranges:
        if key in content:
            low, median, high = (form.format(content[key][name]) for name in ("min", "median", "max"))
            _line(console, label, f"{low} to {high}, median {median}{unit}")


def _print_problems(title: str, style: str, problems: list[Problem], console: Console) -> None:
    if not problems:
        return
    console.print(f"\n[{style}]{title}[/]")
    for kind, group in groupby(problems, key=lambda problem: problem.kind):
        members = list(group)
        console.print(f"  [bold]{kind}[/] ({len(members)}) – {escape(members[0].consequence)}", highlight=False)
        for problem in members[:SHOWN]:
            console.print(f"    {problem.message}", markup=False, highlight=False)
        if len(members) > SHOWN:
            console.print(f"    and {len(members) - SHOWN} more; --json-file FILE lists all", highlight=False)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "-"


def _line(console: Console, label: str, text: str) -> None:
    console.print(f"[bold]{label:{LABEL}}[/]{escape(text)}", highlight=False)
