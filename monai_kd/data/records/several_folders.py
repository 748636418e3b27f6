# SPDX-License-Identifier: Apache-2.0
"""Several data sets read as one."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from monai_kd.data.records.record import Record

__all__ = ["Folders", "as_text", "folders_of_data", "from_dataset"]

Folders = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A data set's folder, or a list of the folders of several."""


def folders_of_data(root: Folders) -> list[Path]:
    """
    The folders, whether one was given or a list.

    Args:
        root: one folder, or a list of them.

    Raises:
        ValueError: When the list is empty, or two folders have one name, by which their images are told apart.

    Example:
        >>> [str(folder) for folder in folders_of_data(["data/BrEaST", "data/BUSBRA"])]
        ['data/BrEaST', 'data/BUSBRA']
    """
    folders = [Path(root)] if isinstance(root, str | PathLike) else [Path(folder) for folder in root]
    if not folders:
        raise ValueError("An empty list of data sets. Set dataset_dir to the folder of a data set, or to several.")
    names = [_name(folder) for folder in folders]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        both = " and ".join(f"'{folder}'" for folder in folders if _name(folder) == double)
        raise ValueError(
            f"{both} have one name, by which the images of several data sets are told apart. Name each folder once, or "
            "rename one."
        )
    return folders


def as_text(root: Folders) -> str | list[str]:
    """
    Folders as a config writes them, from the root of the file system: text for one, a list for several.

    Args:
        root: one folder, or a list of them.
    """
    paths = [str(folder.expanduser().resolve()) for folder in folders_of_data(root)]
    return paths[0] if isinstance(root, str | PathLike) else paths


def from_dataset(folder: Path, records: Sequence[Record]) -> list[Record]:
    """
    The records of one of several data sets: ``id`` and ``patient``, where there is one, begin with its name, which is
    also in ``dataset``.

    Args:
        folder: of the data set; its name is the data set's.
        records: that were read from it.

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
