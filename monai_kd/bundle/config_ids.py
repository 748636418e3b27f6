# SPDX-License-Identifier: Apache-2.0
"""Ids and references in a config as it is written, before anything is evaluated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from monai_kd.bundle.value_kinds import require_kind
from monai_kd.utils.messages import closest

__all__ = [
    "Config",
    "component_ids",
    "components",
    "find",
    "has",
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
    All strings in a config or in a part of one.

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
    The ids that a config, or a part of one, refers to, each once.

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


def has(config: Config, name: str) -> bool:
    """
    Whether a config has an id, or has a component that may take it as an argument.

    Example:
        >>> config = {"network_def": {"_target_": "UNet"}, "train": {"handlers": []}}
        >>> [has(config, name) for name in ("network_def#norm", "train#handlers", "train#handlers#0", "seed")]
        [True, True, False, False]
    """
    return any(True for _ in _places(config, _parts(name)))


def replace(config: Config, name: str, value: Any) -> None:
    """
    Set the content of an id in place; the nodes above it must exist.

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
    The ids of the components (``_target_``) that define an engine's network; ``name`` is the id of that network.

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


def components(node: Any) -> Iterator[Mapping[str, Any]]:
    """
    The components in a config or in a part of one, also those that are arguments of another.

    Example:
        >>> [one["_target_"] for one in components({"a": [{"_target_": "A", "inner": {"_target_": "B"}}], "b": 1})]
        ['A', 'B']
    """
    if isinstance(node, Mapping) and "_target_" in node:
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from components(item)


def list_ids(config: Config, name: str) -> list[str]:
    """
    The ids of the lists that an engine's handlers come from; ``name`` is the id of these handlers.

    Example:
        >>> config = {"train": {"handlers": [], "trainer": {"train_handlers": "@train#handlers"}}}
        >>> list_ids(config, "train#trainer#train_handlers")
        ['train#handlers']
    """
    node = find(config, name)
    if isinstance(node, list):
        return [name]
    return [found for found in references(node) if isinstance(find(config, found), list)] if node else []


def set_values(configs: Collection[Config], values: Mapping[str, Any], where: str) -> None:
    """
    Set values by id, in place, in each of the configs that has the id.

    A component also accepts arguments that are not written in it. A value inside a component is set only in components
    of the same class as in the first config, because one id may stand for a student here and for a teacher there.

    Args:
        configs: changed in place.
        values: by id.
        where: a description of the configs, for messages.

    Raises:
        ValueError: When no config has an id, or a value is of another kind than the one before.

    Example:
        >>> config = {"network_def": {"_target_": "UNet", "channels": [4, 8]}}
        >>> set_values([config], {"network_def#channels#1": 6, "network_def#norm": "batch"}, "the config")
        >>> config
        {'network_def': {'_target_': 'UNet', 'channels': [4, 6], 'norm': 'batch'}}
    """
    for name, value in values.items():
        places = [place for config in configs for place in _places(config, _parts(name))]
        if not places:
            known = sorted({key for config in configs for key in _ids(config)})
            raise ValueError(f"No id '{name}' in {where}. Closest: '{closest(name, known)}'. Correct --set {name}=….")
        kinds = [kind for *_, kind in places if kind is not None]
        for node, key, kind in places:
            if kind is None or _same_class(kind, kinds[0]):
                former = node.get(key) if isinstance(node, Mapping) else node[key]
                require_kind(f"--set {name}", name, value, former, inside=kind is not None)
                node[key] = value


def _same_class(kind: str, other: str) -> bool:
    """Whether two names are of one class, which a bundle may have a copy of in its scripts."""
    copied = any(name.startswith("scripts.") for name in (kind, other))
    return kind == other or (copied and kind.rpartition(".")[2] == other.rpartition(".")[2])


def _parts(name: str) -> list[str]:
    return name.replace("::", "#").split("#")


def _places(node: Any, parts: Sequence[str], kind: str | None = None) -> Iterator[tuple[Any, Any, str | None]]:
    """The nodes that contain an id, the key there, and the class of the component around it."""
    there = range(len(node)) if isinstance(node, list) else node if isinstance(node, Mapping) else ()
    keys: dict[str, Any] = {str(key): key for key in there}
    if "_target_" in keys:
        kind = node["_target_"]
        keys |= {parts[0]: parts[0]} if len(parts) == 1 else {}
    for count in range(1, len(parts) + 1):  # an overlay may write several levels as one key: "train#trainer"
        key = keys.get("#".join(parts[:count]))
        if key is not None and count == len(parts):
            yield node, key, kind
        elif key is not None:
            yield from _places(node[key], parts[count:], kind)


def _ids(config: Any, above: str = "") -> Iterator[str]:
    items = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for key, node in items:
        yield f"{above}{key}"
        yield from _ids(node, f"{above}{key}#")
