# SPDX-License-Identifier: Apache-2.0
"""Merge a base config, its overlays and a study's arguments into one config."""

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

# Ids that the study itself sets, and the entry or option that sets each.
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

# Ids that say where a run is, not what it does: they may change between two starts of a study.
PLACES = (
    "bundle_root", "dataset_dir", "output_dir", "checkpoint", "teacher_checkpoint", "device", "quiet",
)  # fmt: skip


def row_configs(plan: Plan, row: Row) -> Configs:
    """
    The configs of a row with the study's settings and the row's arguments.

    Each value goes into every config that has its id: ``max_epochs`` into the training, ``spatial_size`` into both.

    Raises:
        ValueError: When a config is missing or unreadable, or none of the row's configs has an id that the row sets.
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
                f"{where}: '{key}' cannot be set in a row or in the settings. It is set by {OWN[key]}. Leave it out."
            )


def check_settings(plan: Plan, configs: Mapping[str, Configs]) -> None:
    """
    Refuse a study-wide setting that no config has, or that the study itself sets.

    Raises:
        ValueError: The message names the setting and the closest id.
    """
    if "seed" in plan.settings:
        raise ValueError("Settings: 'seed' cannot be set here. Give the study's list of seeds: 'seeds: [0]'.")
    _refuse_own("Settings", plan.settings)
    every = [config for row in configs.values() for config in row.values()]
    for key in plan.settings:
        if not any(has(config, key) for config in every):
            known = {name for config in every for name in config}
            raise ValueError(f"Settings: no '{key}' in any config of the study. Closest: '{closest(key, known)}'.")


def merge(bundle: Path, names: Sequence[str], row: str) -> dict[str, Any]:
    """
    Merge configs as ``--config_file "[base, overlay, ...]"`` does.

    Raises:
        ValueError: When a config is missing or unreadable, or nothing uses one of its ids.
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
    used = " ".join(texts([base, *overlays]))  # not of the merged config: an overlay may replace another's only use
    for key in config:
        if key not in base and f"@{key}" not in used:
            raise ValueError(
                f"Row '{row}': '{key}' of {files[-1].name} is used nowhere. Closest: '{closest(key, base)}'."
            )
    return config


def differences(former: Any, current: Any, places: Collection[str] = PLACES, where: str = "") -> list[str]:
    """
    A line for each id in which two configs, or parts of them under the id ``where``, differ.

    Ids of ``places`` may differ.

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
