# SPDX-License-Identifier: Apache-2.0
"""Handlers of an engine, components, and programs, wherever a config keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monai_kd.bundle.config_ids import Config, find, list_ids, references, replace, texts

__all__ = ["add_handler", "components", "handlers_of", "kind", "lines_of", "name_run"]

RUN_IDS = ("training", "evaluating", "evaluate", "inference")  # what "run" was called before MONAI 1.0


def handlers_of(config: Config, engine: str) -> list[tuple[str, dict[str, Any]]]:
    """
    The handlers of an engine by their ids.

    Example:
        >>> config = {"log": {"tag": 1}, "all": [{"tag": 0}, "@log"], "trainer": {"handlers": "@all"}}
        >>> handlers_of(config, "trainer#handlers")
        [('all#0', {'tag': 0}), ('log', {'tag': 1})]
    """
    found = []
    for name in list_ids(config, engine):
        for place, handler in enumerate(find(config, name)):
            named = references(handler) if isinstance(handler, str) else [f"{name}#{place}"]
            found += [(i, find(config, i)) for i in named if isinstance(find(config, i), dict)]
    return found


def add_handler(config: Config, engine: str, handler: str, in_list: bool = True, is_first: bool = False) -> None:
    """
    Append a handler, given as a reference, to those of an engine; ``is_first`` puts it before them.

    If ``in_list`` is False, it is not added to their list, because MONAI's check of a training takes no references
    there.

    Example:
        >>> config = {"all": [], "trainer": {"handlers": "@all"}}
        >>> add_handler(config, "trainer#handlers", "@best")
        >>> config["all"]
        ['@best']
    """
    former = find(config, engine)
    lists = list_ids(config, engine)
    if in_list and not is_first and len(lists) == 1 and former in (f"@{lists[0]}", find(config, lists[0])):
        find(config, lists[0]).append(handler)
    else:
        if isinstance(former, list):
            config[f"{handler[1:]}_before"], former = former, f"@{handler[1:]}_before"
        text = str(former or "$[]").removeprefix("$")
        replace(config, engine, f"$[{handler}] + list({text})" if is_first else f"$list({text}) + [{handler}]")


def components(node: Any, name: str) -> Iterator[dict[str, Any]]:
    """
    Every component of a config whose class, without its module, has this name.

    Example:
        >>> [loader["to"] for loader in components({"all": [{"_target_": "a.Loader", "to": 1}]}, "Loader")]
        [1]
    """
    if isinstance(node, dict) and kind(node) == name:
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from components(item, name)


def kind(component: Mapping[str, Any]) -> str:
    """The class of a component, without its module."""
    return str(component.get("_target_")).split(".")[-1]


def lines_of(config: Config, name: str) -> list[Any]:
    """
    The lines of a program in a config, where one may stand by itself.

    Args:
        config: as it is written.
        name: of the program: ``imports``, ``initialize``, ``run``.

    Example:
        >>> lines_of({"imports": "$import os"}, "imports")
        ['$import os']
    """
    lines = config.get(name, [])
    return list(lines) if isinstance(lines, list) else [lines]


def name_run(config: Config) -> None:
    """
    Call the program of a config ``run``, as MONAI does since 1.0.

    Args:
        config: of a training or an inference, or an overlay; changed in place.

    Example:
        >>> config = {"evaluating": ["$@evaluator.run()"]}
        >>> name_run(config)
        >>> config
        {'run': ['$@evaluator.run()']}
    """
    for former in RUN_IDS:
        if "run" not in config and any(".run(" in text for text in texts(config.get(former))):
            config["run"] = lines_of(config, former)
            del config[former]
