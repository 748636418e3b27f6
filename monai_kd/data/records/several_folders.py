# SPDX-License-Identifier: Apache-2.0
"""Several data sets read as one."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from monai_kd.data.records.record import Record

__all__ = ["Folders", "as_text", "folders_of_data", "from_dataset"]

Folders = str | PathLike[str] | Sequence[str | PathLike[str]]
"""The folder of one data set, or a list of the folders of several."""


def folders_of_data(root: Folders) -> list[Path]:
    """
    The list of folders, whether one folder or a list was given.

    Raises:
        ValueError: When the list is empty, or two folders have the same name, which distinguishes their images.
    """
    folders = [Path(root)] if isinstance(root, str | PathLike) else [Path(folder) for folder in root]
    if not folders:
        raise ValueError("dataset_dir is an empty list. Set it to the folder of a data set, or to several.")
    names = [_name(folder) for folder in folders]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        both = " and ".join(f"'{folder}'" for folder in folders if _name(folder) == double)
        raise ValueError(
            f"{both} have the same name, but the name distinguishes the images of several data sets. List each folder "
            "once, or rename one."
        )
    return folders


def as_text(root: Folders) -> str | list[str]:
    """Absolute folders for a config: a string for one, a list for several."""
    paths = [str(folder.expanduser().resolve()) for folder in folders_of_data(root)]
    return paths[0] if isinstance(root, str | PathLike) else paths


def from_dataset(folder: Path, records: Sequence[Record]) -> list[Record]:
    """
    The records of one of several data sets, with its folder's name as ``dataset`` and in front of ``id`` and
    ``patient``.

    Example:
        >>> from_dataset(Path("data/BUSBRA"), [{"id": "bus_0001-l", "patient": "1"}])
        [{'id': 'BUSBRA_bus_0001-l', 'patient': 'BUSBRA_1', 'dataset': 'BUSBRA'}]
    """
    name = _name(folder)
    return [
        {
            **record,
            **{key: f"{name}_{record[key]}" for key in ("id", "patient") if key in record},
            "dataset": name,
        }
        for record in records
    ]


def _name(folder: Path) -> str:
    return folder.expanduser().resolve().name
