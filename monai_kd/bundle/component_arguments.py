# SPDX-License-Identifier: Apache-2.0
"""The arguments that a component takes, including those that its config leaves out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pydoc import locate
from typing import Any

from monai.bundle import ComponentLocator, ConfigComponent

__all__ = ["component_arguments"]


def component_arguments(config: Mapping[str, Any], locator: ComponentLocator) -> dict[str, Any] | None:
    """
    The arguments of a component by name, with their defaults (None for those without a default).

    If a class passes further arguments on (``**kwargs``), its base classes' arguments count too.

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
        if all(parameter.kind != parameter.VAR_KEYWORD for parameter in parameters):
            return {key: value for key, value in found.items() if key != "self"}
    return None
