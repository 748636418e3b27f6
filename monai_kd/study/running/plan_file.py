# SPDX-License-Identifier: Apache-2.0
"""Read a study from a YAML file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_files import read_file
from monai_kd.bundle.finding import find_path
from monai_kd.study.running.plan import Plan, Row
from monai_kd.utils.messages import closest

__all__ = ["read_plan"]

NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
ENTRIES = ("name", "bundle", "teacher", "student", "splits", "images", "seeds", "settings", "rows_of", "rows")


def read_plan(path: str | Path) -> Plan:
    """
    Read a study's YAML file.

    Args:
        path: the file; ``bundle`` and ``rows_of`` in it are paths relative to the file or to the working folder, or
            lie in a bundle that came with the package.

    Raises:
        ImportError: When PyYAML is not installed.
        FileNotFoundError: When the file does not exist.
        ValueError: When it is not valid YAML, or an entry is missing, unknown or of the wrong kind.

    Example:
        >>> read_plan("studies/none.yaml")
        Traceback (most recent call last):
        FileNotFoundError: No study 'studies/none.yaml'. breast_ultrasound_segmentation/studies holds some.
    """
    path = Path(path)
    content = _content(path)
    rows = tuple(row for name, entry in _rows(content, path).items() for row in _with_points(name, entry, path))
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not all(_whole(seed, 0) for seed in seeds) or len(set(seeds)) < len(seeds):
        raise ValueError(f"{path}: seeds must be a list of different whole numbers from 0, got {seeds!r}.")
    for key in ("splits", "images"):
        if content.get(key) is not None and not _whole(content[key], 1):
            raise ValueError(f"{path}: {key} must be a whole number from 1, got {content[key]!r}.")
    plan = Plan(
        name=str(content.get("name", path.stem)),
        bundle=_named(content["bundle"], path).resolve(),
        rows=rows,
        teacher=str(content.get("teacher", "Teacher")),
        student=str(content.get("student", "Student")),
        splits=content.get("splits") or 3,
        images=content.get("images"),
        seeds=tuple(seeds),
        settings=_mapping(content.get("settings") or {}, f"{path}, settings"),
    )
    _check_names(plan, path)
    return plan


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"No study '{path}'. breast_ultrasound_segmentation/studies holds some.")
    content = read_file(path)
    content = _mapping(content, str(path), ENTRIES)
    for key, other in (("bundle", "bundle"), ("rows", "rows_of")):
        if not content.get(key) and not content.get(other):
            raise ValueError(f"'{path}' has no '{key}'. A study names its bundle's folder and its rows.")
    return content


def _named(name: Any, path: Path) -> Path:
    """What a study's file names: beside the file first, then in the working folder or in the package."""
    beside, found = path.parent / str(name), find_path(str(name))
    return found if found.exists() and not beside.exists() else beside


def _rows(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The rows of the study that ``rows_of`` names, if any, and the file's own."""
    own = _mapping(content.get("rows") or {}, f"{path}, rows")
    if not content.get("rows_of"):
        return own
    other = _named(content["rows_of"], path)
    there = _content(other)
    if there.get("rows_of"):
        raise ValueError(
            f"{path}: rows_of names '{other}', which takes its own rows from another study. Name that study instead."
        )
    shared = _mapping(there["rows"], f"{other}, rows")
    return {**shared, **own}


def _with_points(name: str, entry: Any, path: Path) -> list[Row]:
    """A row, and one further row for each point of its grid."""
    row = _row(name, entry, path)
    try:
        points = _grid_points(name, _mapping(entry.get("grid") or {}, f"{path}, row '{name}', grid"))
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from error
    return [row] + [
        replace(row, name=of_point, arguments={**row.arguments, **point}, grid_of=name)
        for of_point, point in points
        if {**row.arguments, **point} != row.arguments  # this point is the row itself
    ]


def _row(name: str, entry: Any, path: Path) -> Row:
    where = f"{path}, row '{name}'"
    entry = _mapping(entry, where, ("train", "evaluate", "arguments", "grid", "teacher", "checkpoints"))
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{where}: the name is also a folder's name. Use only letters, digits and . _ + -, and begin with a letter "
            "or a digit."
        )
    configs = {key: entry.get(key, default) for key, default in (("train", None), ("evaluate", ["evaluate"]))}
    for key, names in configs.items():
        none = key == "evaluate" and names == []
        if not none and not (isinstance(names, list) and names and all(isinstance(item, str) for item in names)):
            raise ValueError(f"{where}: '{key}' must be a list of config names, for instance [train], got {names!r}.")
    arguments = _mapping(entry.get("arguments") or {}, f"{where}, arguments")
    teachers = entry.get("teacher") or []
    teachers = [teachers] if isinstance(teachers, str) else teachers
    if not isinstance(teachers, list) or not all(isinstance(item, str) for item in teachers):
        raise ValueError(f"{where}: 'teacher' must be the name of a row, or a list of names, got {teachers!r}.")
    checkpoints = _mapping(entry.get("checkpoints") or {}, f"{where}, checkpoints")
    return Row(name, tuple(configs["train"]), tuple(configs["evaluate"]), arguments, tuple(teachers), checkpoints)


def _mapping(value: Any, where: str, allowed: Collection[str] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be names with values ('name: value'), got {value!r}.")
    value = {str(key): item for key, item in value.items()}
    for key in value if allowed else ():
        if key not in allowed:
            raise ValueError(f"{where}: no entry '{key}'. Closest: '{closest(key, allowed)}'.")
    return value


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check_names(plan: Plan, path: Path) -> None:
    names = [row.name for row in plan.rows]
    wanted = [("teacher", plan.teacher), ("student", plan.student)]
    wanted += [(f"row '{row.name}', teacher", teacher) for row in plan.rows for teacher in row.teacher]
    wanted += [(f"row '{row.name}', {key}", other) for row in plan.rows for key, other in row.checkpoints.items()]
    for where, name in wanted:
        if str(name) not in names:
            raise ValueError(f"{path}: {where}: there is no row '{name}'. Closest: '{closest(name, names)}'.")
    twice = {name.lower() for name in names if [other.lower() for other in names].count(name.lower()) > 1}
    if twice:
        raise ValueError(f"{path}: the names of the rows {sorted(twice)} differ only in case. Give them other names.")


def _grid_points(name: str, grid: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """
    Every combination of a grid's values, each with a name.

    Raises:
        ValueError: When an id has no list, or a value occurs twice.

    Example:
        >>> _grid_points("CWD", {"pathways#logits#weight": [1, 9]})
        [('CWD,weight=1', {'pathways#logits#weight': 1}), ('CWD,weight=9', {'pathways#logits#weight': 9})]
    """
    for key, values in grid.items():
        if not isinstance(values, list) or not values or len({str(value) for value in values}) < len(values):
            raise ValueError(f"row '{name}', grid: '{key}' must be a list of different values, got {values!r}.")
    last = {key: key.split("#")[-1] for key in grid}
    words = {key: word if list(last.values()).count(word) == 1 else key.replace("#", ".") for key, word in last.items()}
    return [
        (",".join([name, *(f"{words[key]}={value}" for key, value in zip(grid, values, strict=True))]), point)
        for values in itertools.product(*grid.values())
        for point in [dict(zip(grid, values, strict=True))]
        if grid
    ]
