# SPDX-License-Identifier: Apache-2.0
"""What is the same each time, and in the tests is made once in every process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache, partial

from monai.bundle.config_item import ComponentLocator
from monai.utils import ensure_tuple

PHANTOMS = 300  # of half a megabyte each


def remember_components() -> None:
    """MONAI looks through all of its modules for every config that it reads."""
    of_module = cache(partial(ComponentLocator._find_classes_or_functions, ComponentLocator()))

    @cache
    def table(names: tuple[str, ...]) -> dict[str, list[str]]:
        found = defaultdict(list)
        for name, modules in (item for module in names for item in of_module(module).items()):
            found[name] += modules
        return found

    def find(_: ComponentLocator, names: Sequence[str] | str) -> dict[str, list[str]]:
        return table(tuple(ensure_tuple(names)))

    ComponentLocator._find_classes_or_functions = find  # type: ignore[method-assign]


def remember_operators() -> None:
    """torch reads the source of every ONNX operator for each export; the table is only looked up here."""
    with suppress(ImportError):
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))  # type: ignore[method-assign]


def remember_phantoms() -> None:
    """Many tests write the same phantoms; tests/phantom draws its own."""
    from monai_kd.phantom import writing

    writing.draw_phantom = lru_cache(PHANTOMS)(writing.draw_phantom)
