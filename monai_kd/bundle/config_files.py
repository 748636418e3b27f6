# SPDX-License-Identifier: Apache-2.0
"""Find, read, merge and write JSON and YAML files of configs; a name may occur only once in a mapping."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.json_files import write_json
from monai_kd.utils.messages import first_line

__all__ = ["find_file", "is_config_file", "list_files", "read_any", "read_file", "read_merged", "write_config"]

CONFIGS = "configs"
SUFFIXES = (".json", ".yaml", ".yml")


def is_config_file(path: Path) -> bool:
    """Whether a file's suffix is that of JSON or YAML."""
    return path.suffix.lower() in SUFFIXES


def find_file(folder: Path, name: str) -> Path | None:
    """The file ``name`` (without suffix) in a folder, JSON before YAML; None if neither exists."""
    return next((path for end in SUFFIXES if (path := folder / f"{name}{end}").is_file()), None)


def list_files(folder: Path) -> list[Path]:
    """The JSON and YAML files in a folder, without its subfolders; the folder need not exist."""
    return sorted(path for path in folder.glob("*") if is_config_file(path) and path.is_file())


def read_file(path: str | Path) -> dict[str, Any]:
    """
    Read a JSON or YAML file of names and values: a config, an overlay, arguments or a plan.

    Raises:
        FileNotFoundError: When the file does not exist.
        ImportError: When it is YAML and PyYAML is not installed.
        ValueError: When it is neither JSON nor YAML, has a name twice, or is not a mapping.

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
    content = read_any(path)
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' must be names with values ('name: value'), got {content!r:.80}.")
    return {str(key): value for key, value in content.items()}


def read_merged(files: Sequence[Path]) -> dict[str, Any]:
    """
    Merge a config and its overlays as ``--config_file "[config, overlay, …]"`` does.

    Raises:
        ValueError: When one does not fit those before it. Also all errors of :func:`read_file`.
    """
    from monai.bundle import ConfigParser  # imported here because the other functions do not need it
    from monai.bundle.utils import merge_kv

    merged = ConfigParser(config={})
    for file in files:
        for key, value in read_file(file).items():
            try:
                merge_kv(merged, key, value)
            except (KeyError, IndexError, ValueError, TypeError) as error:
                raise ValueError(
                    f"'{file}': '{key}' does not fit what it is merged into ({type(error).__name__}: "
                    f"{first_line(error)}). Give the config first, then its overlays."
                ) from None
    config: dict[str, Any] = merged.get()
    return config


def read_any(path: str | Path) -> Any:
    """
    Read a JSON or YAML file of any content, and refuse a name that occurs twice: MONAI would only warn.

    Raises:
        ValueError: When it is neither JSON nor YAML, or has a name twice. Also all errors of :func:`read_file`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file '{path}'. Correct the path.")
    if not is_config_file(path):
        raise ValueError(f"'{path}' must be a JSON or YAML file, with a name that ends in {', '.join(SUFFIXES)}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"'{path}' is not text in UTF-8. Save it as UTF-8.") from None
    twice: list[str] = []
    content = (_json if path.suffix.lower() == ".json" else _yaml)(path, text, twice)
    if twice:
        raise ValueError(f"'{path}' has '{twice[0]}' twice. Keep one of them.")
    return content


def write_config(path: Path, content: dict[str, Any]) -> None:
    """Write a config as JSON or YAML, depending on the file's suffix; its folder is made if missing."""
    if path.suffix.lower() == ".json":
        write_json(path, content)
        return
    text = _yaml_package(path).safe_dump(content, sort_keys=False, allow_unicode=True)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _json(path: Path, text: str, twice: list[str]) -> Any:
    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(_repeated(key for key, _ in pairs))
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"'{path}' is not JSON: {error}. Correct it there.") from None


def _yaml(path: Path, text: str, twice: list[str]) -> Any:
    yaml = _yaml_package(path)

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined]
        def compose_mapping_node(self, anchor: Any) -> Any:
            # Before '<<' is merged, a key that replaces a merged one still occurs only once.
            node = super().compose_mapping_node(anchor)
            twice.extend(_repeated(str(key.value) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"))
            return node

    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # an impossible date raises ValueError
        raise ValueError(f"'{path}' is not YAML: {' '.join(str(error).split())}. Correct it there.") from None


def _yaml_package(path: Path) -> Any:
    try:
        import yaml
    except ImportError:
        raise ImportError(f"'{path}' is YAML and needs the package 'pyyaml': pip install pyyaml.") from None
    return yaml


def _repeated(keys: Iterable[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]
