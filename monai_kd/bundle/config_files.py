# SPDX-License-Identifier: Apache-2.0
"""Configs as their files have them: JSON or YAML, each key once."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["SUFFIXES", "read_file"]

SUFFIXES = (".json", ".yaml", ".yml")


def read_file(path: str | Path) -> dict[str, Any]:
    """
    The content of a JSON or YAML file of names and values.

    MONAI takes the last of two values of one name, and only warns.

    Args:
        path: of a config, an overlay, arguments or a plan.

    Raises:
        FileNotFoundError: When there is no such file.
        ImportError: When it is YAML and PyYAML is not installed.
        ValueError: When it is neither JSON nor YAML, has a name twice, or no names.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "mine.yaml")
        ...     _ = path.write_text("seed: 0\\nseed: 1")
        ...     try:
        ...         read_file(path)
        ...     except ValueError as error:
        ...         print(str(error).replace(folder, "…"))
        '…/mine.yaml' has 'seed' twice. Keep one of them.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file '{path}'. Correct the path.")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"'{path}' must be JSON or YAML, by its name too: {', '.join(SUFFIXES)}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"'{path}' is not text in UTF-8. Save it as UTF-8.") from None
    content = _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' must be names with values ('name: value'), got {content!r:.80}.")
    return {str(key): value for key, value in content.items()}


def _json(path: Path, text: str) -> Any:
    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        _require_once(path, [key for key, _ in pairs])
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"'{path}' is not JSON: {error}. Correct it there.") from None


def _yaml(path: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise ImportError(f"'{path}' needs the package 'pyyaml': pip install pyyaml.") from None

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            # Before merging: a key that replaces one of '<<' is there once.
            _require_once(path, [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"])
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"'{path}' is not YAML: {' '.join(str(error).split())}. Correct it there.") from None


def _require_once(path: Path, keys: Sequence[str]) -> None:
    twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
    if twice is not None:
        raise ValueError(f"'{path}' has '{twice}' twice. Keep one of them.")
