# SPDX-License-Identifier: Apache-2.0
"""MONAI looks through all of its modules for every config that it reads; in the tests once in every process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, partial

from monai.bundle.config_item import ComponentLocator
from monai.utils import ensure_tuple


def remember() -> None:
    """Let every config of this process use what was found for the first one."""
    of_module = cache(partial(ComponentLocator._find_classes_or_functions, ComponentLocator()))

    def find(_: ComponentLocator, names: Sequence[str] | str) -> dict[str, list[str]]:
        table = defaultdict(list)
        for name, modules in (item for module in ensure_tuple(names) for item in of_module(module).items()):
            table[name] += modules
        return table

    ComponentLocator._find_classes_or_functions = find  # type: ignore[method-assign]
