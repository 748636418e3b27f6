# SPDX-License-Identifier: Apache-2.0
"""
Gives the package several hundred bad inputs and counts how many get one clear error.

    python -m tests.reliability.bad_input
    python -m tests.reliability.bad_input --group "image and mask files" --match tif

A bad input counts as refused if the command ends with a status that is not 0, tells one error that names what is wrong
and holds none of a framework's own words, and leaves no new file behind.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import Counter

from tests.reliability.attempt import Attempt, judge

MODULES = ("bad_files", "bad_data_sets", "bad_options", "bad_arguments", "bad_labels", "bad_studies", "bad_calls")


def all_attempts() -> list[Attempt]:
    """Every bad input of the modules beside this one."""
    modules = [importlib.import_module(f"tests.reliability.{name}") for name in MODULES]
    return [attempt for module in modules for attempt in module.attempts()]


def main() -> int:
    """Try them, and print what was not refused clearly and a table of the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", help="only those of this row of the table")
    parser.add_argument("--match", default="", help="only those whose name holds this text")
    parser.add_argument("--every", type=int, default=1, help="only each so many-th, spread over all groups")
    chosen = parser.parse_args()
    _import_once()
    attempts = [a for a in all_attempts() if chosen.group in (None, a.group) and chosen.match in a.name]
    attempts = attempts[:: chosen.every]
    tried, clear = Counter(a.group for a in attempts), Counter[str]()
    for attempt in attempts:
        wrong = judge(attempt)
        clear[attempt.group] += not wrong
        if wrong:
            print(f"{attempt.group}, {attempt.name}: {'; '.join(wrong)}", flush=True)
    print("\n| bad input | tried | one clear error |\n| --- | ---: | ---: |")
    for group in tried:
        print(f"| {group} | {tried[group]} | {clear[group]} |")
    print(f"| **all** | {tried.total()} | {clear.total()} |")
    return int(clear.total() < tried.total() or not attempts)


def _import_once() -> None:
    """Before the forks, so that each attempt costs its own work only."""
    import itk
    import monai.bundle
    import torch

    import monai_kd.__main__
    import monai_kd.data

    torch.set_num_threads(1)
    assert itk.Image and monai.bundle and monai_kd.data


if __name__ == "__main__":
    sys.exit(main())
