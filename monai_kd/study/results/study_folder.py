# SPDX-License-Identifier: Apache-2.0
"""Read a study's folder: its plan, its splits, and its scores so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.data import Record, read_dataset
from monai_kd.data.records.several_folders import Folders, folders_of_data
from monai_kd.study.results.scores import Scores, read_scores
from monai_kd.utils.json_files import read_json
from monai_kd.utils.messages import closest

__all__ = ["StoredStudy", "read_study"]

AGAIN = "Run 'python -m monai_kd study run' again: it writes the file again."


@dataclass(frozen=True)
class StoredStudy:
    """
    A study as its folder has it, finished or not.

    Args:
        plan: the content of ``study.json``.
        splits: the ids of each part of each split.
        groups: every split with every seed, ``"<split>-<seed>"``.
        scores: by name, of every row that has finished a run.
    """

    folder: Path
    plan: Mapping[str, Any]
    splits: Sequence[Mapping[str, list[str]]]
    groups: Sequence[str]
    scores: Mapping[str, Scores]

    def check_row(self, row: str) -> None:
        """
        Check that the study has scores of a row.

        Raises:
            ValueError: When no run of this row has finished.
        """
        if row not in self.scores:
            raise ValueError(
                f"'{self.folder}' has no finished run of a row '{row}'. Closest: '{closest(row, self.scores)}'. Rows "
                f"with a finished run: {', '.join(self.scores)}."
            )

    def records(self, dataset_dir: Folders | None = None) -> dict[str, Record]:
        """
        The images of the study's data set, by id.

        Args:
            dataset_dir: one folder or several; None takes the folder that the study was run with.

        Raises:
            FileNotFoundError: When the folder does not exist.
            ValueError: When it is not a data set.
        """
        root: Folders = self.plan["dataset_dir"] if dataset_dir is None else dataset_dir
        gone = [folder for folder in folders_of_data(root) if not folder.is_dir()]
        if gone:
            raise FileNotFoundError(
                f"'{gone[0]}', the folder with the images of the study '{self.folder}', does not exist. If the images "
                "were moved, name their folder: --dataset-dir FOLDER."
            )
        row, of_row = next(iter(self.scores.items()))
        config = read_json(self.folder / next(iter(of_row.values)) / row / "evaluate.json", AGAIN)
        return {record["id"]: record for record in read_dataset(root, config.get("layout"))}


def read_study(output_dir: Path) -> StoredStudy:
    """
    Read the folder of ``python -m monai_kd study run``.

    Raises:
        FileNotFoundError: When the folder has no study.
        ValueError: When no run has finished yet, or scores are damaged.
    """
    description = output_dir / "study.json"
    if not description.is_file():
        raise FileNotFoundError(f"No study in '{output_dir}'. Give the --output-dir of 'python -m monai_kd study run'.")
    plan = read_json(description, AGAIN)
    splits = read_json(output_dir / "splits.json")["splits"][: plan["splits"]]
    rows = [row["name"] for row in plan["rows"] if row["evaluate"]]
    groups = [f"{index}-{seed}" for index in range(len(splits)) for seed in plan["seeds"]]
    scores = read_scores(output_dir, rows, groups)
    if not scores:
        raise ValueError(f"No run of '{output_dir}' has finished yet. Run the study first.")
    return StoredStudy(output_dir, plan, splits, groups, scores)
