# SPDX-License-Identifier: Apache-2.0
"""Definitions of networks in plain values, and the ids of a config that must change to build such a network."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from monai.bundle import ConfigParser

__all__ = ["DOWNLOAD", "class_of", "plain", "settings_for", "with_own_classes"]

ALIAS = re.compile(r"@(\w+(?:#\w+)*)")  # the whole value is another id's
DOWNLOAD = "pretrained"  # an argument about where weights begin, which a checkpoint replaces


def plain(parser: ConfigParser, name: str) -> Any:
    """
    The content of an id in plain values: references are followed, expressions evaluated, and components not built.

    Example:
        >>> config = {"widths": [4, 8], "network": {"_target_": "UNet", "channels": "@widths", "strides": "$[2] * 1"}}
        >>> plain(ConfigParser({**config, "network_def": "@network"}), "network_def")
        {'_target_': 'UNet', 'channels': [4, 8], 'strides': [2]}
    """
    node = parser[name]
    if isinstance(node, Mapping):
        return {str(key): plain(parser, f"{name}#{key}") for key in node}
    if isinstance(node, list | tuple):
        return [plain(parser, f"{name}#{place}") for place in range(len(node))]
    alias = _alias(node)
    if alias is not None:
        return plain(parser, alias)
    return parser.get_parsed_content(name) if _is_expression(node) else node


def class_of(parser: ConfigParser, name: str) -> str | None:
    """The ``_target_`` of the component that an id is or refers to; None if it is none."""
    node = parser.get(name)
    alias = _alias(node)
    if alias is not None:
        return class_of(parser, alias)
    return node.get("_target_") if isinstance(node, Mapping) else None


def with_own_classes(wanted: Any, node: Any) -> Any:
    """
    A recorded definition with the classes that a bundle carries in its ``scripts`` in place of this package's.

    Args:
        wanted: the definition, in plain values.
        node: the bundle's own.

    Example:
        >>> own = {"_target_": "scripts.networks.student_unet.StudentUNet", "channels": [4, 8]}
        >>> with_own_classes({"_target_": "monai_kd.networks.StudentUNet", "channels": [2, 4]}, own)
        {'_target_': 'scripts.networks.student_unet.StudentUNet', 'channels': [2, 4]}
    """
    if not (isinstance(wanted, Mapping) and isinstance(node, Mapping)):
        return wanted
    found = {key: with_own_classes(value, node.get(key)) for key, value in wanted.items()}
    own, target = (str(one.get("_target_")) for one in (node, wanted))
    is_carried = own.startswith("scripts.") and target.startswith("monai_kd.")
    if is_carried and own.split(".")[-1] == target.split(".")[-1]:
        found["_target_"] = own
    return found


def settings_for(parser: ConfigParser, name: str, wanted: Any, shared: Collection[str] = ()) -> dict[str, Any]:
    """
    The fewest values by id that make the content of an id equal to ``wanted``, which ``plain`` gave.

    Args:
        parser: the config; it is changed to have these values.
        name: the id.
        wanted: plain values.
        shared: ids that others use, too, and that therefore keep their values.

    Returns:
        Values by id, ready for ``--set``; empty if nothing differs.

    Example:
        >>> network = {"_target_": "UNet", "channels": "@widths", "strides": "$[2] * (len(@widths) - 1)"}
        >>> parser = ConfigParser({"widths": [4, 8], "network_def": network})
        >>> settings_for(parser, "network_def", {"_target_": "UNet", "channels": [2, 4, 6], "strides": [2, 2]})
        {'widths': [2, 4, 6]}
    """
    node = parser.get(name)
    alias = _alias(node)
    if alias is not None and alias.partition("#")[0] not in shared:
        return settings_for(parser, alias, wanted, shared)
    if _has_no_more_arguments(node, wanted):
        # Expressions last: they may follow from the values.
        names = sorted(set(wanted) - {"_target_", DOWNLOAD}, key=lambda key: (_is_expression(node.get(key)), key))
        found: dict[str, Any] = {}
        for key in names:
            found |= settings_for(parser, f"{name}#{key}", wanted[key], shared)
        return found
    if name in parser and plain(parser, name) == wanted:
        return {}
    if isinstance(node, Mapping) and isinstance(wanted, Mapping):
        wanted = {**{key: value for key, value in node.items() if _is_mark(key)}, **wanted}
    parser[name] = wanted
    return {name: wanted}


def _alias(node: Any) -> str | None:
    found = ALIAS.fullmatch(node.replace("::", "#")) if isinstance(node, str) else None
    return None if found is None else found[1]


def _is_expression(node: Any) -> bool:
    return isinstance(node, str) and node.startswith("$")


def _is_mark(key: str) -> bool:
    """Whether a component's key is for MONAI's parser, such as ``_mode_``, and no argument."""
    return key.startswith("_") and key.endswith("_")


def _has_no_more_arguments(node: Any, wanted: Any) -> bool:
    """Whether two components are of one class, and the first can be made the second by setting arguments."""
    if not isinstance(node, Mapping) or not isinstance(wanted, Mapping) or "_target_" not in node:
        return False
    return node["_target_"] == wanted.get("_target_") and {key for key in node if not _is_mark(key)} <= set(wanted)
