# SPDX-License-Identifier: Apache-2.0
"""The Python files that a bundle brings along."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_ids import texts

__all__ = ["importable_scripts", "require_scripts", "uses_scripts"]

MODULE = re.compile(r"(?<![\w./])scripts((?:\.\w+)*)(?:\s+import\s+(\w+))?")


def uses_scripts(config: Any) -> bool:
    """
    Whether a config imports from its bundle's ``scripts``.

    Args:
        config: as it is written.

    Example:
        >>> uses_scripts({"imports": ["$from scripts.net import Net"]}), uses_scripts({"_target_": "UNet"})
        (True, False)
    """
    return any(True for _ in _mentions(config))


def require_scripts(config: Any, root: Path, file: str) -> None:
    """
    Find a script that a config imports and the bundle lacks.

    Args:
        config: of the bundle.
        root: the bundle's folder.
        file: the config's path, for the message.

    Raises:
        ValueError: When one is missing.
    """
    for text, parts, name in _mentions(config):
        missing = _missing(root / "scripts", parts or ([name] if name else []))
        if missing is not None:
            raise ValueError(
                f"{file} has {text!r}, but there is no '{missing.relative_to(root)}' in '{root}'. The bundle came "
                "without its scripts: copy them there."
            )


def _missing(folder: Path, parts: list[str]) -> Path | None:
    if not folder.is_dir():
        return folder
    for part in parts:
        if (folder / f"{part}.py").is_file():
            return None  # what follows is a name inside it
        if not (folder / part).is_dir():
            inside = part == parts[-1] and (folder / "__init__.py").is_file()
            return None if inside else folder / f"{part}.py"
        folder = folder / part
    return None


@contextmanager
def importable_scripts(root: Path) -> Iterator[None]:
    """
    Let ``import scripts`` find those of a bundle, and forget them afterwards, for every bundle has its own.

    What is made within may import while it is used: use it within, too. Within itself it changes nothing.

    Args:
        root: the bundle's folder.
    """
    if sys.path[0] == str(root):
        yield
        return
    former, path = {name: sys.modules.pop(name) for name in _loaded()}, list(sys.path)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path  # MONAI adds the bundle's folder, too, and leaves it there
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(former)


def _loaded() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == "scripts"]


def _mentions(config: Any) -> Iterator[tuple[str, list[str], str]]:
    for text in texts(config):
        if text.startswith(("$", "scripts.")):
            for path, name in MODULE.findall(text):
                if path or "import" in text:
                    yield text, path.split(".")[1:], name
