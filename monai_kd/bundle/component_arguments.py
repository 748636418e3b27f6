# SPDX-License-Identifier: Apache-2.0
"""The arguments that a component takes, including those that its config leaves out."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from pydoc import locate
from typing import Any

from monai.bundle import ComponentLocator, ConfigComponent

from monai_kd.bundle.config_ids import components
from monai_kd.bundle.value_kinds import is_program
from monai_kd.utils.messages import closest

__all__ = ["component_arguments", "require_components"]

PACKAGES = ("monai", "monai_kd")  # whose names are known before the run
ROOMS = [
    *(f"monai.{room}" for room in ("data", "engines", "handlers", "inferers", "losses", "networks.nets", "transforms")),
    *(f"monai_kd.{room}" for room in ("data", "engines", "handlers", "losses", "networks", "teachers", "transforms")),
]  # of short names


def component_arguments(config: Mapping[str, Any], locator: ComponentLocator) -> dict[str, Any] | None:
    """
    The arguments of a component by name, with their defaults (None for those without a default).

    If a class gives further arguments (``**kwargs``) to its base class, that one's arguments count too.

    Returns:
        None if the component takes any argument, or cannot be found.

    Example:
        >>> arguments = component_arguments({"_target_": "monai_kd.DistillationTrainer"}, ComponentLocator())
        >>> "max_epochs" in arguments, "max_epoch" in arguments, arguments["supervised_weight"]
        (True, False, 1.0)
        >>> component_arguments({"_target_": "monai_kd.Pathways"}, ComponentLocator()) is None  # named at will
        True
    """
    component = ConfigComponent(config=dict(config), locator=locator)
    name = component.resolve_module_name()  # type: ignore[no-untyped-call]
    try:
        target = locate(name) if isinstance(name, str) else name
    except Exception:  # the bundle's script cannot be imported yet; MONAI will report errors
        return None
    functions: list[Any] = [target]
    if inspect.isclass(target):
        functions = [vars(kind)["__init__"] for kind in target.__mro__ if "__init__" in vars(kind)]
    found: dict[str, Any] = {}
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return None
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, None if parameter.default is parameter.empty else parameter.default)
        further = [parameter.name for parameter in parameters if parameter.kind == parameter.VAR_KEYWORD]
        if not further:
            return {key: value for key, value in found.items() if key != "self"}
        own = _taken_from(function, further[0])
        if own is None:
            return None
        found = {**dict.fromkeys(own), **found}
    return None


def _taken_from(function: Callable[..., Any], name: str) -> set[str] | None:
    """
    The names that a constructor itself looks up in its ``**name``, as in ``name.pop("depth")``.

    Returns:
        None if something other than a base class's constructor may receive the rest.
    """
    try:
        nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    except (OSError, TypeError, SyntaxError):  # written in C, or made while Python runs
        return None
    calls = [(call, keyword.value) for call in nodes if isinstance(call, ast.Call) for keyword in call.keywords]
    given_to = [call.func for call, value in calls if isinstance(value, ast.Name) and value.id == name]
    if not given_to or not all(isinstance(to, ast.Attribute) and to.attr == "__init__" for to in given_to):
        return None
    looked_up = [node for node in nodes if isinstance(node, (ast.Call, ast.Compare, ast.Subscript))]
    inside = [part for node in looked_up if name in _names(node) for part in ast.walk(node)]
    return {part.value for part in inside if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def require_components(where: str, value: Any, locator: ComponentLocator) -> None:
    """
    Refuse a component whose class MONAI and this package do not have, or which does not take an argument.

    A class of another package is left to MONAI: it may need the bundle's ``imports``.

    Args:
        where: the argument, or file and id, for the message.
        value: anything that a config holds, with components in it.
        locator: MONAI's table of short names.

    Raises:
        ValueError: The message names the closest class, or argument.

    Example:
        >>> require_components("--network-def", {"_target_": "monai_kd.networks.StudentUNett"}, ComponentLocator())
        Traceback (most recent call last):
        ...
        ValueError: --network-def: no class 'monai_kd.networks.StudentUNett'. Closest: 'StudentUNet'.
    """
    for component in components(value):
        name = component["_target_"]
        if not isinstance(name, str) or is_program(name) or component.get("_disabled_"):
            continue
        _require_class(where, name, locator)
        arguments = component_arguments(component, locator)
        if arguments is None:
            continue
        for key in component:
            if key not in arguments and key not in ConfigComponent.non_arg_keys:
                near = f" Closest: '{closest(key, arguments)}'." if arguments else ""
                raise ValueError(f"{where}: '{name}' takes no argument '{key}'.{near}")


def _require_class(where: str, name: str, locator: ComponentLocator) -> None:
    if locator.get_component_module_name(name) is not None:
        return  # one of MONAI's short names
    room, _, own = name.rpartition(".")
    if room and room.partition(".")[0] not in PACKAGES:
        return
    try:
        if locate(name) is not None:
            return
        places = [importlib.import_module(place) for place in ([room] if room else ROOMS)]
    except Exception:  # a module that cannot be imported: MONAI will report it
        return
    names = [one for place in places for one in getattr(place, "__all__", dir(place))]
    if own not in names:
        raise ValueError(f"{where}: no class '{name}'. Closest: '{closest(own, names)}'.")
