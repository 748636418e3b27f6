# SPDX-License-Identifier: Apache-2.0
"""Shorten a config so that it stops after one step."""

from __future__ import annotations

import copy
from typing import Any

from monai.bundle import ConfigParser

from monai_kd.bundle.config_ids import Config, find, references, replace
from monai_kd.student_bundle.config_parts import kind

__all__ = ["shortened"]

CACHES = ("CacheDataset", "SmartCacheDataset", "PersistentDataset", "CacheNTransDataset", "LMDBDataset")
LOADERS = {"train_data_loader": 2, "val_data_loader": 1}  # items; batch norms need two in training
WORKERS = ("prefetch_factor", "persistent_workers", "multiprocessing_context", "sampler", "shuffle")


def shortened(config: Config) -> bool:
    """
    Let every engine of a config, which is changed in place, make one step on its first item, without workers and
    caches.

    Returns:
        True if the config evaluates or infers and finds no item.
    """
    engines = [find(config, name) for name in ("train#trainer", "validate#evaluator", "evaluator")]
    empty = False
    for engine in engines:
        if not isinstance(engine, dict):
            continue
        for key, most in LOADERS.items():
            if key in engine:
                engine["epoch_length"] = 1
                empty = _shorten(config, engine[key], most)
        if "max_epochs" in engine:
            engine["max_epochs"] = 1
    return empty and not isinstance(engines[0], dict)


def _shorten(config: Config, loader: Any, most: int) -> bool:
    _, loader = _resolved(config, loader)
    if not isinstance(loader, dict) or "batch_sampler" in loader:
        return False
    _, given = _resolved(config, loader.get("batch_size", 1))
    count = min(given, most) if isinstance(given, int) else most
    for key in WORKERS:
        loader.pop(key, None)
    loader |= {"batch_size": count, "num_workers": 0}
    name, dataset = _resolved(config, loader.get("dataset"))
    if not isinstance(dataset, dict) or "data" not in dataset or not name:
        return False
    if kind(dataset) in CACHES:
        kept = {key: dataset[key] for key in ("data", "transform") if key in dataset}
        dataset.clear()
        dataset |= {"_target_": "Dataset", **kept}
    items = ConfigParser(copy.deepcopy(config)).get_parsed_content(f"{name}#data")
    if not len(items):
        return True
    data = dataset["data"]
    first = f"$[({str(data).removeprefix('$')})[0]] * {count}"
    replace(config, f"{name}#data", first if isinstance(data, str) else data[:1] * count)
    return False


def _resolved(config: Config, node: Any) -> tuple[str, Any]:
    """Follow references; return the last id and its content."""
    name = ""
    while isinstance(node, str) and node.startswith("@"):
        name = references(node)[0]
        node = find(config, name)
    return name, node
