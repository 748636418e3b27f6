# SPDX-License-Identifier: Apache-2.0
"""Ids and references in a config as it is written, before anything of it is evaluated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "Config",
    "component_ids",
    "find",
    "list_ids",
    "references",
    "replace",
    "set_values",
    "texts",
]

Config = dict[str, Any]
REFERENCE = re.compile(r"@((?:\w+)(?:#\w+)*)")
WRAPPERS = ("DistributedDataParallel", "DataParallel")


def texts(node: Any) -> Iterator[str]:
    """
    Every text of a config.

    Example:
        >>> list(texts({"a": ["$1", {"b": "@c"}], "d": 2}))
        ['$1', '@c']
    """
    if isinstance(node, str):
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from texts(item)


def references(node: Any) -> list[str]:
    """
    The ids that a config names, each once.

    Example:
        >>> references({"a": "$@train#dataset + @b", "c": "@b"})
        ['train#dataset', 'b']
    """
    found = [name for text in texts(node) for name in REFERENCE.findall(text.replace("::", "#"))]
    return list(dict.fromkeys(found))


def find(config: Config, name: str) -> Any:
    """
    The content of an id, or None.

    Example:
        >>> find({"train": {"handlers": [{"tag": 1}]}}, "train#handlers#0#tag")
        1
    """
    node: Any = config
    for part in name.split("#"):
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, Mapping) and part in node:
            node = node[part]
        else:
            return None
    return node


def replace(config: Config, name: str, value: Any) -> None:
    """
    Set the content of an id; the nodes above it must be there.

    Example:
        >>> config = {"train": {"handlers": [1]}}
        >>> replace(config, "train#handlers#0", 2)
        >>> config
        {'train': {'handlers': [2]}}
    """
    *above, last = name.split("#")
    node: Any = find(config, "#".join(above)) if above else config
    node[int(last) if isinstance(node, list) else last] = value


def component_ids(config: Config, name: str) -> list[str]:
    """
    The ids of the components (``_target_``) that an engine's network comes from.

    Args:
        config: of a training or an inference.
        name: the id of the engine's network.

    Example:
        >>> config = {"network_def": {"_target_": "UNet"}, "network": "$@network_def.to(@device)"}
        >>> component_ids({**config, "evaluator": {"network": "@network"}}, "evaluator#network")
        ['network_def']
    """
    found, queue, seen = [], [name], set()
    while queue:
        current = queue.pop(0)
        node = find(config, current)
        if current in seen or current == "device" or node is None:
            continue
        seen.add(current)
        target = node.get("_target_") if isinstance(node, Mapping) else None
        if target is not None and str(target).split(".")[-1] not in WRAPPERS:
            found.append(current)
        else:
            queue += references(node.get("module") if isinstance(node, Mapping) else node)
    return found


def list_ids(config: Config, name: str) -> list[str]:
    """
    The ids of the lists that an engine's handlers come from.

    Args:
        config: of a training.
        name: the id of the engine's handlers.

    Example:
        >>> config = {"train": {"handlers": [], "trainer": {"train_handlers": "@train#handlers"}}}
        >>> list_ids(config, "train#trainer#train_handlers")
        ['train#handlers']
    """
    node = find(config, name)
    if isinstance(node, list):
        return [name]
    return [found for found in references(node) if isinstance(find(config, found), list)] if node else []


def set_values(configs: Mapping[str, Config], values: Mapping[str, Any]) -> None:
    """
    Give values by id to each of some configs that has the id.

    Args:
        configs: by their names.
        values: by id.

    Raises:
        ValueError: When none has an id.
    """
    for name, value in values.items():
        holders = [config for config in configs.values() if find(config, name) is not None]
        if not holders:
            known = sorted({key for config in configs.values() for key in _ids(config)})
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ValueError(f"--set {name}: no such id in {', '.join(configs)}. Closest: '{close[0]}'.")
        for config in holders:
            replace(config, name, value)


def _ids(config: Any, above: str = "") -> Iterator[str]:
    items = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for key, node in items:
        yield f"{above}{key}"
        yield from _ids(node, f"{above}{key}#")
