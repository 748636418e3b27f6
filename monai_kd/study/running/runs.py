# SPDX-License-Identifier: Apache-2.0
"""The runs of a study: one for each row, split and seed, each in its own folder."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.data import Split
from monai_kd.data.records.several_folders import Folders, as_text
from monai_kd.study.running.plan import Plan, Row
from monai_kd.study.running.run_configs import PLACES, Configs, check_settings, differences, row_configs
from monai_kd.utils.json_files import read_json, write_json
from monai_kd.utils.messages import first_few

__all__ = ["DONE", "Run", "list_runs"]

DONE = "done"  # a worker writes this file when a run ends


@dataclass(frozen=True, eq=False)
class Run:
    """
    One training and its evaluation.

    Args:
        row: the row's name.
        group: split and seed, ``"<split>-<seed>"``.
        folder: everything that the run writes.
        configs: of the training and, if there is one, the evaluation.
        needs: the runs whose checkpoints this run reads, such as its teacher's.
        places: ids that say where things are, not what the run does.
    """

    row: str
    group: str
    folder: Path
    configs: Configs
    needs: tuple[Run, ...] = ()
    places: tuple[str, ...] = PLACES

    @property
    def name(self) -> str:
        """Group and row, ``"<split>-<seed>/<row>"``."""
        return f"{self.group}/{self.row}"

    @property
    def finished(self) -> bool:
        """Whether the run has ended and its files are complete."""
        # An evaluation writes its summary last; a run without an evaluation has the worker's file.
        last = "evaluation/summary.json" if "evaluate" in self.configs else DONE
        return (self.folder / last).is_file()

    def require_same(self) -> None:
        """
        Check that this run's configs made the files in its folder.

        Raises:
            ValueError: When other configs made them; the message lists the differences.
        """
        results = {"train": self.folder / "last.pt", "evaluate": self.folder / "evaluation" / "summary.json"}
        for kind in self.configs:
            path, result = self.folder / f"{kind}.json", results[kind]
            if not (path.is_file() and (result.is_file() or self.finished)):
                continue
            former = read_json(path, f"Remove the folder '{self.folder}'.")
            changes = differences(former, self.configs[kind], self.places)
            if changes:
                listed = first_few(changes, separator="; ")
                raise ValueError(
                    f"'{path}' was run with other settings: {listed}. Choose another --output-dir, restore the "
                    f"settings, or remove '{self.folder}' to run it anew."
                )

    def require_needs(self) -> None:
        """
        Check that the checkpoints that this run started from still exist.

        Raises:
            ValueError: When the run was started, but a run that it needs is not finished, or no longer there.
        """
        begun = self.finished or (self.folder / "last.pt").is_file()
        gone = [needed.folder for needed in self.needs if not needed.finished]
        if begun and gone:
            raise ValueError(
                f"'{self.folder}' was started from a checkpoint that no longer exists: '{gone[0]}' has not finished. "
                f"Restore that folder, or remove '{self.folder}' too: it then runs again with the new checkpoint."
            )

    def write_configs(self) -> None:
        """Write the configs into the folder, for ``python -m monai.bundle run --config_file``."""
        for kind, config in self.configs.items():
            write_json(self.folder / f"{kind}.json", config)


def list_runs(
    plan: Plan, splits: Sequence[Split], dataset_dir: Folders, output_dir: Path, layout: str | None = None
) -> list[Run]:
    """
    All runs of a study, each after the runs that it needs.

    Raises:
        ValueError: When a row's configs are unusable, or rows need each other's checkpoints in a circle.
    """
    configs = {row.name: row_configs(plan, row) for row in plan.rows}
    own_seeds = {row.name: row.arguments["seed"] for row in plan.rows if "seed" in row.arguments}
    check_settings(plan, configs)
    teachers = {row.name: _teachers(plan, row, configs[row.name]["train"]) for row in plan.rows}
    needed = {row.name: (*teachers[row.name], *row.checkpoints.values()) for row in plan.rows}
    rows = {row.name: row for row in plan.rows}
    shared = {"bundle_root": str(plan.bundle), "dataset_dir": as_text(dataset_dir), "layout": layout}
    runs: list[Run] = []
    for index, split in enumerate(splits):
        for seed in plan.seeds:
            group, made = f"{index}-{seed}", dict[str, Run]()
            for name in _ordered(needed):
                given = {**shared, "split": split, "seed": own_seeds.get(name, seed)}
                files = _checkpoints(
                    {name: run.folder for name, run in made.items()}, teachers[name], rows[name].checkpoints
                )
                needs = tuple(made[other] for other in needed[name])
                made[name] = _run(rows[name], group, output_dir.resolve(), configs[name], {**given, **files}, needs)
            runs += made.values()
    return runs


def _run(row: Row, group: str, root: Path, configs: Configs, shared: Mapping[str, Any], needs: tuple[Run, ...]) -> Run:
    folder = root / group / row.name
    places: dict[str, dict[str, Any]] = {
        "train": {"output_dir": str(folder), "checkpoint": str(folder / "model.pt")},
        "evaluate": {"output_dir": str(folder / "evaluation"), "checkpoint": str(folder / "model.pt")},
    }
    configs = copy.deepcopy(configs)
    for kind, config in configs.items():
        given = {**shared, **places[kind], "quiet": True}
        config.update({key: value for key, value in given.items() if key in config})
    return Run(row.name, group, folder, configs, needs, (*PLACES, *row.checkpoints))


def _checkpoints(
    folders: Mapping[str, Path], teachers: tuple[str, ...], others: Mapping[str, str]
) -> dict[str, str | list[str]]:
    """The checkpoints that a run reads, by the ids of its config that name them."""
    files = [str(folders[teacher] / "model.pt") for teacher in teachers]
    taught = {"teacher_checkpoint": files if len(files) > 1 else files[0]} if files else {}
    return {**taught, **{key: str(folders[row] / "model.pt") for key, row in others.items()}}


def _teachers(plan: Plan, row: Row, train: Mapping[str, Any]) -> tuple[str, ...]:
    if "@teacher_checkpoint" in json.dumps(train):
        return row.teacher or (plan.teacher,)
    if row.teacher:
        named = ", ".join(row.teacher)
        raise ValueError(
            f"Row '{row.name}' names the teacher {named}, but its config uses no 'teacher_checkpoint'. Remove the "
            "row's 'teacher'."
        )
    return ()


def _ordered(needed: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Names of rows, each after the rows whose checkpoints it needs."""
    ordered: list[str] = []
    while len(ordered) < len(needed):
        ready = [name for name, of_row in needed.items() if name not in ordered and set(of_row) <= set(ordered)]
        if not ready:
            circle = sorted(set(needed) - set(ordered))
            raise ValueError(f"The rows {circle} wait for each other's checkpoints. Give one of them another teacher.")
        ordered += ready
    return ordered
