# SPDX-License-Identifier: Apache-2.0
"""Copy the source files that a config's network needs into a bundle's ``scripts``."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

__all__ = ["carry_definition", "ids_that_need_the_package", "network_from_scripts"]

PACKAGE = "monai_kd"
SCRIPTS = "scripts"
IMPORT = re.compile(rf"^(\s*from ){PACKAGE}\.([\w.]+)( import )", re.M)
OTHER_IMPORT = re.compile(rf"^\s*(?:import {PACKAGE}\b|from {PACKAGE} import)", re.M)
EMPTY = "# SPDX-License-Identifier: Apache-2.0\n"


def ids_that_need_the_package(config: dict[str, Any]) -> list[str]:
    """The ids of an inference config, other than ``network_def``, that need this package."""
    return [key for key, value in config.items() if key != "network_def" and PACKAGE in repr(value)]


def network_from_scripts(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """
    A config whose network comes from ``scripts`` instead of this package, and the files to put there, by path.

    There are no files if the network is MONAI's.

    Raises:
        ValueError: When another id than the network needs this package.
    """
    left = ids_that_need_the_package(config)
    if left:
        raise ValueError(
            f"The inference config needs {PACKAGE} for {', '.join(map(repr, left))}, but only the network's code can "
            "be copied into the bundle. Write these ids with MONAI's own classes in configs/inference_stock.json."
        )
    definition, sources = carry_definition(config["network_def"])
    return {**config, "network_def": definition}, sources


def carry_definition(definition: Any, folder: str = SCRIPTS) -> tuple[Any, dict[str, str]]:
    """
    The same of a network's definition by itself.

    Args:
        definition: a ``network_def``.
        folder: the Python package in the bundle that takes the sources.

    Returns:
        The definition, and the source files by their path in the bundle; none if the network is MONAI's.

    Raises:
        ValueError: When a source cannot be carried, for it imports this package as a whole.
    """
    sources: dict[str, str] = {}
    carried = _retarget(definition, sources, folder)
    for parent in {parent for path in sources for parent in Path(path).parents if parent != Path()}:
        sources.setdefault(f"{parent}/__init__.py", EMPTY)
    return carried, dict(sorted(sources.items()))


def _retarget(network: Any, sources: dict[str, str], folder: str) -> Any:
    if isinstance(network, list):
        return [_retarget(item, sources, folder) for item in network]
    if not isinstance(network, dict):
        return network
    moved = {key: _retarget(value, sources, folder) for key, value in network.items()}
    target = network.get("_target_")
    if isinstance(target, str) and target.startswith(f"{PACKAGE}."):
        found = ConfigParser({"network": {"_target_": target, "_mode_": "callable"}}).get_parsed_content("network")
        component = getattr(found, "func", found)
        _collect(component.__module__, sources, folder)
        moved["_target_"] = f"{_moved(component.__module__, folder)}.{component.__qualname__}"
    return moved


def _collect(module: str, sources: dict[str, str], folder: str) -> None:
    """Add a module's source, and those of this package's modules that it imports."""
    spec = importlib.util.find_spec(module)
    origin = Path(spec.origin or "") if spec else Path()
    path = _moved(module, folder).replace(".", "/") + ("/__init__.py" if origin.name == "__init__.py" else ".py")
    if path in sources:
        return
    source = origin.read_text(encoding="utf-8")
    if OTHER_IMPORT.search(source):
        raise ValueError(
            f"'{origin}' imports the whole of {PACKAGE}, so it cannot be copied into a bundle. Import only what it "
            f"needs: 'from {PACKAGE}.<module> import …'."
        )
    sources[path] = IMPORT.sub(rf"\g<1>{folder}.\g<2>\g<3>", source)
    for _, imported, _ in IMPORT.findall(source):
        _collect(f"{PACKAGE}.{imported}", sources, folder)


def _moved(module: str, folder: str) -> str:
    return folder + module.removeprefix(PACKAGE)
