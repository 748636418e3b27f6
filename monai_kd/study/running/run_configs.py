# SPDX-License-Identifier: Apache-2.0
"""One whole config from a base config, its overlays and a study's arguments."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import read_file, read_merged
from monai_kd.bundle.config_ids import has, texts
from monai_kd.bundle.known_ids import require_known, require_value, used_ids
from monai_kd.study.running.plan import Plan, Row
from monai_kd.utils.messages import closest

__all__ = ["PLACES", "Configs", "differences", "merge", "row_configs"]

Configs = dict[str, dict[str, Any]]
"""The configs of a row by what they do, ``"train"`` and, where there is something to evaluate, ``"evaluate"``."""

# What the study itself gives to each run, and by which of its own entries or options.
OWN = {
    "output_dir": "study run --output-dir",
    "checkpoint": "study run --output-dir",
    "bundle_root": "the study's 'bundle'",
    "dataset_dir": "study run --dataset-dir",
    "layout": "study run --layout",
    "split": "the study's 'splits', or study run --split-file",
    "split_file": "study run --split-file",
    "fold": "the study's 'splits'",
    "teacher_checkpoint": "the row's 'teacher'",
    "quiet": "the study, which shows its own progress",
}

# Where a run is, not what it is: these may change between two starts of a study.
PLACES = (
    "bundle_root", "dataset_dir", "output_dir", "checkpoint", "teacher_checkpoint", "device", "quiet",
)  # fmt: skip


def row_configs(plan: Plan, row: Row) -> Configs:
    """
    The configs of a row with the study's settings and the row's arguments.

    A value is given to each config that has its id: ``max_epochs`` to the training, ``spatial_size`` to both.

    Args:
        plan: the study.
        row: of the study.

    Raises:
        ValueError: When a config is missing or cannot be read, or an id of the row is in none of its configs.
    """
    wanted = {"train": row.train, "evaluate": row.evaluate}
    configs = {kind: merge(plan.bundle, names, row.name) for kind, names in wanted.items() if names}
    known = sorted({key for config in configs.values() for key in config})
    _refuse_own(f"Row '{row.name}'", (*row.arguments, *row.checkpoints))
    for key in (*row.arguments, *row.checkpoints):
        if not any(has(config, key) for config in configs.values()):
            files = ", ".join((*row.train, *row.evaluate))
            raise ValueError(f"Row '{row.name}': no '{key}' in {files}. Closest: '{closest(key, known)}'.")
    for config in configs.values():
        given = {key: value for key, value in {**plan.settings, **row.arguments}.items() if has(config, key)}
        parser = ConfigParser(config)
        used = used_ids(config)
        for key, value in given.items():
            where = f"Row '{row.name}', '{key}'" if key in row.arguments else f"Settings, '{key}'"
            name = key.replace("::", "#")
            require_known(where, name, parser, used)
            require_value(where, name, value, parser)
            parser[key] = value
    return configs


def _refuse_own(where: str, keys: Iterable[str]) -> None:
    for key in keys:
        if key in OWN:
            raise ValueError(
                f"{where}: '{key}' is not for a row or the settings, it is given by {OWN[key]}. Leave it out."
            )


def check_settings(plan: Plan, configs: Mapping[str, Configs]) -> None:
    """
    Find a study-wide setting that no config has, or that the study gives otherwise.

    Args:
        plan: the study.
        configs: of each row, by its name.

    Raises:
        ValueError: Naming it, and the closest id.
    """
    if "seed" in plan.settings:
        raise ValueError("Settings: the 'seed' of a study is given as a list of its own, 'seeds: [0]'.")
    _refuse_own("Settings", plan.settings)
    every = [config for row in configs.values() for config in row.values()]
    for key in plan.settings:
        if not any(has(config, key) for config in every):
            known = {name for config in every for name in config}
            raise ValueError(f"Settings: no '{key}' in any config of the study. Closest: '{closest(key, known)}'.")


def merge(bundle: Path, names: Sequence[str], row: str) -> dict[str, Any]:
    """
    Merge configs as ``--config_file "[base, overlay, ...]"`` does.

    Args:
        bundle: the bundle's folder.
        names: of configs, without suffix; the first is the base.
        row: the row's name, for messages.

    Raises:
        ValueError: When one is missing, cannot be read, or holds an id that nothing uses.
    """
    folder = BundleFolder(bundle)
    missing = next((name for name in names if not folder.has(name)), None)
    if missing is not None:
        there = folder.names()
        hint = f"Closest: '{closest(missing, there)}'" if there else f"'{bundle}' is not a bundle's folder"
        raise ValueError(f"Row '{row}': no config '{missing}' in '{bundle}'. {hint}.")
    files = [folder.file(name) for name in names]
    try:
        base, *overlays = map(read_file, files)
        config = read_merged(files)
    except ValueError as error:
        raise ValueError(f"Row '{row}': {error}") from None
    used = " ".join(texts([base, *overlays]))  # of the files: one overlay may replace what used another one's id
    for key in config:
        if key not in base and f"@{key}" not in used:
            raise ValueError(
                f"Row '{row}': '{key}' of {files[-1].name} is used nowhere. Closest: '{closest(key, base)}'."
            )
    return config


def differences(former: Any, current: Any, places: Collection[str] = PLACES, where: str = "") -> list[str]:
    """
    What two configs differ in, other than in places on disk and the device.

    Args:
        former: a config.
        current: another.
        places: ids of the whole configs that may differ.
        where: the id of both; "" for whole configs.

    Returns:
        A line for each id that differs.

    Example:
        >>> differences({"seed": 0, "loss": {"k": 1}}, {"seed": 0, "loss": {"k": 2}})
        ["'loss#k': 1 there, 2 here"]
    """
    if isinstance(former, dict) and isinstance(current, dict):
        keys = [key for key in {**former, **current} if where or key not in places]
        pairs = [(key, former.get(key), current.get(key)) for key in keys]
        return [line for key, a, b in pairs for line in differences(a, b, places, f"{where}#{key}".lstrip("#"))]
    if isinstance(former, list) and isinstance(current, list) and len(former) == len(current):
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(former, current, strict=True))]
        return [line for key, a, b in pairs for line in differences(a, b, places, f"{where}#{key}")]
    return [] if former == current else [f"'{where}': {_short(former)} there, {_short(current)} here"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:79] + "…"
