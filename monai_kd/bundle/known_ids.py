# SPDX-License-Identifier: Apache-2.0
"""Check that an id has a meaning in a config, and that its value fits."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from monai.bundle import ConfigComponent, ConfigParser

from monai_kd.bundle.component_arguments import component_arguments
from monai_kd.bundle.value_kinds import require_kind
from monai_kd.utils.messages import option

__all__ = ["require_known", "require_value", "used_ids"]

NOT_SET = ("imports", "initialize", "run", "finalize", ConfigParser.meta_key)  # never suggested for an argument
REFERENCE = re.compile(r"[@%](\w+(?:#\w+)*)")


def used_ids(config: Any, name: str = "") -> set[str]:
    """
    The ids that expressions, references and macros of a config use; ``name`` is the id of a part.

    Example:
        >>> sorted(used_ids({"a": "$@train#dataset + 1", "b": {"c": "@#d", "d": 1}, "e": "%a"}))
        ['a', 'b#d', 'train#dataset']
    """
    if isinstance(config, str):
        try:
            config = ConfigParser.resolve_relative_ids(name.replace("#", "::"), config).replace("::", "#")
        except ValueError:  # a relative id above the top level; MONAI will report it
            return set()
        return set(REFERENCE.findall(config))
    return {used for key, node in _children(config) for used in used_ids(node, f"{name}#{key}".lstrip("#"))}


def require_known(
    where: str,
    name: str,
    state: ConfigParser,
    used: Collection[str],
    is_argument: bool = False,
    further: Collection[str] = (),
) -> None:
    """
    Refuse an id that the config lacks, that none of its expressions uses, and that none of its components takes.

    Args:
        where: the argument, or file and id, for the message.
        name: the id, with ``#`` between its parts.
        state: the config before the change.
        used: the ids that expressions use after all changes.
        is_argument: whether the id is written as an argument, ``--id``.
        further: names that the message may suggest and that are not ids of the config.

    Raises:
        ValueError: The message names the closest id.
    """
    if name in state or any(other == name or other.startswith(f"{name}#") for other in used):
        return
    above, rest = _deepest(state, name)
    node = state[above]
    taken = _taken(state, node) if _is_component(node) else None
    if _is_component(node) and len(rest) == 1 and (taken is None or rest[0] in taken):
        return
    if isinstance(node, Mapping) and not _is_component(node) and above and len(rest) == 1:
        whole = {"#".join(above.split("#")[:count]) for count in range(1, above.count("#") + 2)}
        if whole & set(used) or any(_is_component(state[part]) for part in whole):
            return
    named = option if is_argument else str
    there = {**dict(_children(node)), **(taken or {}), **(dict.fromkeys(further) if not above else {})}
    names = [f"{above}#{key}".lstrip("#") for key in there if above or key not in NOT_SET]
    if not names:
        raise ValueError(
            f"{where}: '{above}' of the config is a single value without parts. Set {named(above)} itself."
        )
    told = f"{where}: no config of this run has the id '{name}', and nothing uses it."
    near = _meant(name, state) or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        raise ValueError(f"{told} Closest: {named(near[0])}.")
    raise ValueError(f"{told} Choose from {', '.join(sorted(names))}.")


def require_value(where: str, name: str, value: Any, state: ConfigParser) -> None:
    """
    Refuse a value of another kind than the id's in ``state``, the config before the change.

    Raises:
        ValueError: When it is of another kind, or out of range.
    """
    above, rest = _deepest(state, name)
    former = None if rest else state[above]
    inside = any(_is_component(state.get(part)) for part in _above(name))
    if value is None and "#" in name and not inside:
        return  # removes an entry from a plain mapping, such as one of the run's inputs
    if rest and len(rest) == 1 and _is_component(state[above]):
        former = (_taken(state, state[above]) or {}).get(rest[0])
        former = former if isinstance(former, bool | int | float) else None
    for _ in range(8):  # follow a reference such as "@learning_rate"
        if not (isinstance(former, str) and re.fullmatch(r"@\w+(#\w+)*", former) and former[1:] in state):
            break
        name, inside = former[1:], any(_is_component(state.get(part)) for part in _above(former[1:]))
        former = state[name]
    require_kind(where, name, value, former, inside)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, item in items:
        yield str(key), item


def _is_component(node: Any) -> bool:
    return isinstance(node, Mapping) and "_target_" in node


def _above(name: str) -> list[str]:
    parts = name.split("#")
    return ["#".join(parts[:count]) for count in range(1, len(parts))]


def _deepest(state: ConfigParser, name: str) -> tuple[str, list[str]]:
    """The longest part of an id that exists, and the rest."""
    parts = name.split("#")
    for count in range(len(parts), 0, -1):
        if "#".join(parts[:count]) in state:
            return "#".join(parts[:count]), parts[count:]
    return "", parts


def _taken(state: ConfigParser, node: Mapping[str, Any]) -> dict[str, Any] | None:
    arguments = component_arguments(node, state.locator)
    return None if arguments is None else {**dict.fromkeys(ConfigComponent.non_arg_keys), **arguments}


def _meant(name: str, state: ConfigParser) -> list[str]:
    """The id with the same last name elsewhere, such as ``lr`` in the optimizer, or the id that it refers to."""
    last = _plain(name.split("#")[-1])
    for key, value in _all_ids(state.get()):
        if _plain(key.split("#")[-1]) == last:
            return [value[1:] if isinstance(value, str) and re.fullmatch(r"@\w+", value) else key]
    return []


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _all_ids(node: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in _children(node):
        if above or key != ConfigParser.meta_key:
            yield f"{above}{key}", item
            yield from _all_ids(item, f"{above}{key}#")
