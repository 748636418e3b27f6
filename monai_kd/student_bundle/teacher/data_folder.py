# SPDX-License-Identifier: Apache-2.0
"""The folder of the data as a bundle's configs need it: some append file names to it without a slash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_ids import Config

__all__ = ["absolute", "data_folder", "require_folder"]


def data_folder(given: str | Path, configs: Iterable[Config], settings: Mapping[str, Any] | None = None) -> str:
    """
    A folder with a slash at its end, if one was given or if the configs' own ``dataset_dir`` has one.

    A ``dataset_dir`` among the user's ``settings`` replaces the given folder.

    Raises:
        ValueError: When that ``dataset_dir`` is an expression, because a command line needs a path.

    Example:
        >>> data_folder("data/", []), data_folder("data", [{"dataset_dir": "/datasets/prostate/"}])
        ('data/', 'data/')
    """
    folder = str((settings or {}).get("dataset_dir", given))
    if folder.startswith(("$", "@")):
        raise ValueError(f"--set dataset_dir={folder!r} is an expression, but it must be a folder. Give its path.")
    slash = any(str(config.get("dataset_dir", "")).endswith("/") for config in configs)
    return folder + "/" if slash and not folder.endswith("/") else folder


def absolute(folder: str) -> str:
    """
    The absolute path of a folder; a slash at its end is kept.

    Example:
        >>> absolute("/data/../images/")
        '/images/'
    """
    return str(Path(folder).resolve()) + ("/" if folder.endswith("/") and folder.strip("/") else "")


def require_folder(folder: str, option: str) -> None:
    """Refuse a folder that does not exist; ``option`` is the one that named it."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"The data folder '{folder}' does not exist. Correct {option}.")
