# SPDX-License-Identifier: Apache-2.0
"""The folder of the data as a bundle's configs take it: some join names to it without a slash between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_ids import Config

__all__ = ["absolute", "data_folder", "require_folder"]


def data_folder(given: str | Path, configs: Iterable[Config], settings: Mapping[str, Any] | None = None) -> str:
    """
    A folder with the slash at its end that was given, or that the configs' own ``dataset_dir`` has.

    Args:
        given: as the user wrote it.
        configs: of the bundle.
        settings: values by id that the user gave; a ``dataset_dir`` among them is taken instead.

    Raises:
        ValueError: When the settings' ``dataset_dir`` is an expression, which commands could not name.

    Example:
        >>> data_folder("data/", []), data_folder("data", [{"dataset_dir": "/datasets/prostate/"}])
        ('data/', 'data/')
    """
    folder = str((settings or {}).get("dataset_dir", given))
    if folder.startswith(("$", "@")):
        raise ValueError(f"--set dataset_dir={folder!r} is an expression, and commands name a folder. Give its path.")
    slash = any(str(config.get("dataset_dir", "")).endswith("/") for config in configs)
    return folder + "/" if slash and not folder.endswith("/") else folder


def absolute(folder: str) -> str:
    """
    The absolute path of a folder, with the slash at its end if it has one.

    Args:
        folder: its path.

    Example:
        >>> absolute("/data/../images/")
        '/images/'
    """
    return str(Path(folder).resolve()) + ("/" if folder.endswith("/") and folder.strip("/") else "")


def require_folder(folder: str, option: str) -> None:
    """
    Find a mistyped folder.

    Args:
        folder: its path.
        option: that it was given by.

    Raises:
        FileNotFoundError: When there is no such folder.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"No data in '{folder}': there is no such folder. Correct {option}.")
