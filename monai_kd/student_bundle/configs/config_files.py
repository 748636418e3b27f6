# SPDX-License-Identifier: Apache-2.0
"""Configs in files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_kd.bundle.config_ids import Config
from monai_kd.utils.messages import first_line

__all__ = ["load", "read_config", "read_overlay", "write_config"]


def read_config(files: Sequence[Path]) -> Config:
    """
    A config and its overlays, as ``--config_file "[…]"`` merges them.

    Args:
        files: JSON or YAML; each overlays those before it.

    Raises:
        FileNotFoundError: When one is missing.
        ValueError: When one cannot be read.
    """
    for file in files:
        read_overlay(file)
    try:
        config: Config = ConfigParser.load_config_files([str(file) for file in files])
    except Exception as error:
        raise ValueError(
            f"{', '.join(map(str, files))} do not fit together: {_line(error)}. Give the training first, then its "
            "overlays."
        ) from None
    return config


def read_overlay(file: Path) -> Config:
    """
    A config as it is written, the keys of an overlay (``"train#dataset#cache_rate"``) unresolved.

    Args:
        file: JSON or YAML.

    Raises:
        FileNotFoundError: When it is missing.
        ValueError: When it cannot be read, or is not a config.
    """
    if not file.is_file():
        raise FileNotFoundError(f"No config '{file}'. Correct the path.")
    config = load(file)
    if not isinstance(config, dict):
        raise ValueError(f"'{file}' holds a {type(config).__name__}, not a config. Give one of ids and values.")
    return config


def load(file: Path) -> Any:
    """
    What a file holds, whether it is a config or not.

    Args:
        file: JSON or YAML.

    Raises:
        ValueError: When it cannot be read, or is YAML and there is no package that reads it.
    """
    if file.suffix in (".yaml", ".yml") and find_spec("yaml") is None:
        raise ValueError(f"'{file}' is YAML, which needs the package 'pyyaml': pip install pyyaml.")
    try:
        return ConfigParser.load_config_file(str(file))
    except Exception as error:
        raise ValueError(f"'{file}' is not a config in JSON or YAML ({_line(error)}). Correct the file.") from None


def write_config(config: Config, path: Path) -> None:
    """
    Write a config as the bundles have them.

    Args:
        config: plain data.
        path: a JSON file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
