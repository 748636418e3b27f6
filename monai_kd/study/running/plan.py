# SPDX-License-Identifier: Apache-2.0
"""A study's plan: rows of configs, settings, splits and seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_kd.utils.messages import closest

__all__ = ["Plan", "Row"]


@dataclass(frozen=True)
class Row:
    """
    One model of the study.

    Args:
        name: of the row, and of its folders.
        train: a training config and its overlays, as names in the bundle's ``configs`` folder, without suffix.
        evaluate: an evaluation config and its overlays; empty for a row that only other rows need, such as an
            auto-encoder.
        arguments: values by id, for the configs of this row only.
        teacher: rows whose checkpoints are this row's teachers, several for an ensemble. If empty, a config that needs
            a teacher gets the study's teacher.
        checkpoints: for each further id that names a checkpoint, the row that writes this checkpoint.
        grid_of: the row to whose grid this point belongs; "" for any other row.

    Example:
        >>> Row("LKLD", train=("train", "methods/logits_kl")).evaluate
        ('evaluate',)
    """

    name: str
    train: tuple[str, ...]
    evaluate: tuple[str, ...] = ("evaluate",)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    teacher: tuple[str, ...] = ()
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    grid_of: str = ""


@dataclass(frozen=True)
class Plan:
    """
    A study: the models to compare, and the splits and seeds to train them on.

    Args:
        name: title of the report.
        bundle: the bundle's folder.
        rows: the models; rows that come from another study (``rows_of``) are first.
        teacher: the row that all others are compared with, and from which distilled rows learn.
        student: the row that is trained on the labels alone; all others are compared with it, too.
        splits: number of random splits, or of the splits that are used from a split file.
        images: draw this number of images once, and split only those; None uses all.
        seeds: of training; every row is trained on every split with every seed.
        settings: values by id, for every config that has the id.

    Example:
        >>> rows = (Row("Teacher", ("train_teacher",)), Row("Student", ("train_student",)))
        >>> plan = Plan("short", Path("bundles/breast_ultrasound_segmentation"), rows, settings={"max_epochs": 20})
        >>> plan.splits, [row.name for row in plan.of_rows(["Student"]).rows]
        (3, ['Teacher', 'Student'])
    """

    name: str
    bundle: Path
    rows: tuple[Row, ...]
    teacher: str = "Teacher"
    student: str = "Student"
    splits: int = 3
    images: int | None = None
    seeds: tuple[int, ...] = (0,)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def of_rows(self, names: Collection[str]) -> Plan:
        """
        The study with these rows only, and those that they need: teachers, other checkpoints, the study's teacher and
        student.

        Args:
            names: of rows; the name of a grid's row stands for all its points.

        Raises:
            ValueError: When there is no such row.
        """
        known = {row.name: row for row in self.rows}
        chosen = {row.name for row in self.rows if {row.name, row.grid_of or row.name} & set(names)}
        for name in set(names) - {row.name for row in self.rows} - {row.grid_of for row in self.rows if row.grid_of}:
            raise ValueError(f"The study has no row '{name}'. Closest: '{closest(name, known)}'.")
        waiting = [*chosen, *({self.teacher, self.student} & set(known))]
        chosen = set()
        while waiting:
            row = known[waiting.pop()]
            if row.name not in chosen:
                chosen.add(row.name)
                waiting += [*row.teacher, *row.checkpoints.values()]
        return dataclasses.replace(self, rows=tuple(row for row in self.rows if row.name in chosen))
