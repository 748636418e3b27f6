# SPDX-License-Identifier: Apache-2.0
"""``images/<id>.png``, ``labels/<id>.png`` (0 and 255) and ``patients.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

from monai_kd.data.conversion.target import Entry, Target
from monai_kd.data.splits.groups import Split

COLUMNS = ("id", "patient", "pathology")


def write_patients(folder: Path, entries: list[Entry], splits: list[Split]) -> None:
    """Write patients and pathologies, without which a split could separate images of one patient."""
    with (folder / "patients.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS, extrasaction="ignore")
        table.writeheader()
        table.writerows(entries)


PLAIN = Target(name="plain", image="images/{id}", label="labels/{id}", finish=write_patients)
