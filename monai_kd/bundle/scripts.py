# SPDX-License-Identifier: Apache-2.0
"""The Python files in a bundle's folder ``scripts``."""

from __future__ import annotations

import importlib
import re
import sys
import types
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

    Example:
        >>> uses_scripts({"imports": ["$from scripts.net import Net"]}), uses_scripts({"_target_": "UNet"})
        (True, False)
    """
    return any(True for _ in _mentions(config))


def require_scripts(config: Any, root: Path, file: str) -> None:
    """
    Refuse a config that imports a script which the bundle lacks; ``file`` is the config's, for the message.

    Raises:
        ValueError: When a script is missing.
    """
    for text, parts, name in _mentions(config):
        missing = _missing(root / "scripts", parts or ([name] if name else []))
        if missing is not None:
            raise ValueError(
                f"{file} has {text!r}, but '{root}' has no '{missing.relative_to(root)}'. The bundle lacks its "
                "scripts: copy them there."
            )


def _missing(folder: Path, parts: list[str]) -> Path | None:
    if not folder.is_dir():
        return folder
    for part in parts:
        if (folder / f"{part}.py").is_file():
            return None  # the rest are names inside this file
        if not (folder / part).is_dir():
            inside = part == parts[-1] and (folder / "__init__.py").is_file()
            return None if inside else folder / f"{part}.py"
        folder = folder / part
    return None


@contextmanager
def importable_scripts(root: Path) -> Iterator[None]:
    """
    Let ``import scripts`` find those of one bundle, and forget them afterwards, because every bundle has its own.

    Objects made inside this context may import when they are used, so use them inside it too. It can be nested.
    """
    if sys.path[0] == str(root):
        yield
        return
    former, path = {name: sys.modules.pop(name) for name in _loaded()}, list(sys.path)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    if (root / "scripts").is_dir() and not (root / "scripts" / "__init__.py").is_file():
        own = types.ModuleType("scripts")  # or a package of this name further down the path would take its place
        own.__path__ = [str(root / "scripts")]
        sys.modules["scripts"] = own
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
