# SPDX-License-Identifier: Apache-2.0
"""What a study compares: rows of configs, settings, splits and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Plan", "Row"]


@dataclass(frozen=True)
class Row:
    """
    One model of the study.

    Args:
        name: of the row, and of its folders.
        train: a training config and its overlays, as names in the bundle's ``configs`` folder, without suffix.
        evaluate: an evaluation config and its overlays; none for a row that only others need, an auto-encoder say.
        arguments: values by id, given to the configs of this row alone.
        teacher: the rows whose checkpoints this one learns from, several for an ensemble; none where the study's own
            teacher serves, or its config needs no teacher.
        checkpoints: the row whose checkpoint a further id of its config names, by the id.
        grid_of: the row of which this is another point of the grid; "" for a row by itself.

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
    A study.

    Args:
        name: in the report's title.
        bundle: the bundle's folder.
        rows: the models; those of the studies that ``rows_of`` names come first.
        teacher: the row that every other one is compared with, and that distilled rows learn from.
        student: the row trained on the labels alone, that every other one is compared with.
        splits: how many random splits, or how many of a split file's.
        images: draw so many images of the data set once, and split those; None takes all.
        seeds: of training; every row is trained on every split with every seed.
        settings: values by id, given to every config that has the id.

    Example:
        >>> rows = (Row("Teacher", ("train_teacher",)), Row("Student", ("train_student",)))
        >>> Plan("short", Path("bundles/breast_ultrasound_segmentation"), rows, settings={"max_epochs": 20}).splits
        3
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
