# SPDX-License-Identifier: Apache-2.0
"""
Make the tables of a page anew: each stands below the command that prints it.

    python tests/benchmarks/page_tables.py docs/benchmarks.md [--only views startup] [--list]

What a command prints replaces all between the ``console`` block that shows the command and ``<!-- end -->``, as soon as
it is there, with the commit that it was made at; a command that fails leaves what was there, and is told at the end.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from rich.progress import track

from monai_kd.utils.atomic_files import atomic_write

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"(^```console\n\$ python (?P<command>[^\n]+)\n```\n)(?P<made>.*?)(^<!-- end -->)", re.S | re.M)


def commands(page: Path) -> list[str]:
    """Those whose output the page holds, without ``python``."""
    return [place["command"] for place in PLACE.finditer(page.read_text(encoding="utf-8"))]


def commit() -> str:
    """The short name of the commit that is checked out; "?" outside a repository."""
    run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "?"


def put(page: Path, command: str, made: str) -> None:
    """Put what a command printed in its place."""

    def replaced(place: re.Match[str]) -> str:
        return f"{place[1]}\n{made.strip()}\n\n{place[4]}" if place["command"] == command else place[0]

    text = PLACE.sub(replaced, page.read_text(encoding="utf-8"))
    with atomic_write(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--only", nargs="+", help="Scripts, by name.")
    parser.add_argument("--list", action="store_true", help="Print the commands and end.")
    arguments = parser.parse_args()
    there = commands(arguments.page)
    wanted = [one for one in there if not arguments.only or Path(one.split()[0]).stem in arguments.only]
    if not wanted:
        raise SystemExit(f"{arguments.page} has no such command. There are: {', '.join(there)}.")
    if arguments.list:
        print("\n".join(wanted))
        return
    failed = []
    for command in track(wanted, description="Benchmarks"):
        print(f"python {command}", flush=True)
        run = subprocess.run([sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            put(arguments.page, command, f"{run.stdout}\nCommit {commit()}.")
        else:
            failed.append(f"python {command}\n{run.stderr[-2000:]}")
    if failed:
        raise SystemExit("\n".join([f"{len(failed)} of {len(wanted)} commands failed:", *failed]))


if __name__ == "__main__":
    main()
