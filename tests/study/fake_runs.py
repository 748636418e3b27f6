# SPDX-License-Identifier: Apache-2.0
"""Runs of a study that train nothing."""

from __future__ import annotations

from pathlib import Path

from monai_kd.study.running.runs import Run


def fake_run(folder: Path, name: str, seconds: float) -> Run:
    """A run of a bundle that notes each of its starts, sleeps, and ends with a summary."""
    place = folder / name
    note = f"$open('{place}/starts', 'a').write('started ')"
    summary = (
        f"$(os.makedirs('{place}/evaluation', exist_ok=True), open('{place}/evaluation/summary.json', 'w').close())"
    )
    imports = ["$import os", "$import time"]
    train = {"imports": imports, "bundle_root": str(folder), "run": [note, f"$time.sleep({seconds})"]}
    evaluate = {"imports": imports, "bundle_root": str(folder), "run": [summary]}
    return Run(name, "0-0", place, {"train": train, "evaluate": evaluate})
