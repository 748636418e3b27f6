# SPDX-License-Identifier: Apache-2.0
"""Carry out a plan on a data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path

from monai_kd.data.records.several_folders import Folders, as_text
from monai_kd.study.running.plan import Plan
from monai_kd.study.running.runs import list_runs
from monai_kd.study.running.scheduling import State, Workers, schedule
from monai_kd.study.running.study_splits import study_splits
from monai_kd.utils.atomic_files import require_writable
from monai_kd.utils.distinct_paths import require_distinct, require_outside
from monai_kd.utils.folder_lock import locked
from monai_kd.utils.json_files import write_json

__all__ = ["run_study"]


def run_study(
    plan: Plan,
    dataset_dir: Folders,
    output_dir: Path,
    workers: Callable[[], Workers],
    layout: str | None = None,
    split_file: Path | None = None,
    watch: Callable[[State], None] = lambda state: None,
    rows: Collection[str] | None = None,
) -> State:
    """
    Carry out every run of a study that is not finished; first check the plan, the data and the finished runs.

    Args:
        dataset_dir: the data set's folder, or a list of several.
        output_dir: the study's folder; each run writes into ``<split>-<seed>/<row>/``.
        workers: makes the workers that carry out the runs; called when all checks have passed.
        layout: of the data set; None detects it.
        split_file: a file of ``python -m monai_kd data split``; None makes random splits.
        watch: called with the state several times a second.
        rows: carry out the runs of these rows only, and of those that they need. Defaults to None: all.

    Returns:
        The last state, with the runs that failed.

    Raises:
        FileNotFoundError: When the data or the split file is missing.
        ValueError: When the plan, the data or the splits are unusable, a finished run had other settings or its
            teacher's run is gone, the folder lies in the data set's folder, or another study works in it.
    """
    require_outside("output_dir", output_dir, {"dataset_dir": dataset_dir})
    require_distinct({"output_dir": output_dir}, {"split_file": split_file})
    require_writable(output_dir)
    with locked(output_dir):
        chosen = {row.name for row in (plan if rows is None else plan.of_rows(rows)).rows}
        list_runs(plan, [], dataset_dir, output_dir, layout)  # finds a wrong row before the slow check of the images
        splits = study_splits(plan, dataset_dir, output_dir, layout, split_file)
        runs = [run for run in list_runs(plan, splits, dataset_dir, output_dir, layout) if run.row in chosen]
        for run in runs:
            run.require_same()
            run.require_needs()
        content = {**dataclasses.asdict(plan), "bundle": str(plan.bundle), "dataset_dir": as_text(dataset_dir)}
        write_json(output_dir / "study.json", content)
        return schedule(runs, workers(), watch)
