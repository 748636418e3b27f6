# SPDX-License-Identifier: Apache-2.0
"""The parts that all data-set readers share: the record, the layout's three members, and the pairing of files by id."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from monai_kd.data.image_files.formats import format_of
from monai_kd.utils.messages import first_few

Record = dict[str, Any]
"""One image as a MONAI-style dictionary: ``image`` and ``label`` (paths; ``label`` may be a list of masks to join),
``id`` (unique), ``patient`` and ``pathology`` ("benign", "malignant", "normal" or "unknown"). A frame of a cine loop
also has ``frame``, from 0."""

SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx", "dicomdir"}  # the last is the table of contents of a CD


class Layout(Protocol):
    """The folders and file names of one data set. To add one, write such a class and its import line in ``layouts``."""

    @property
    def name(self) -> str:
        """The layout's name in configs."""

    def missing(self, root: Path) -> str:
        """What ``root`` itself lacks to have this layout, in words; empty if it has this layout."""

    def read(self, root: Path) -> list[Record]:
        """
        The records of a ``root`` for which ``missing`` is empty.

        Raises:
            ValueError: When files are missing or duplicated, or a table does not match them.
        """


def entries(folder: Path) -> list[Path]:
    """A folder's files and subfolders in order of name, without files of the operating system."""
    return sorted((path for path in folder.iterdir() if not is_hidden(path.name)), key=lambda path: path.name)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over: one of the operating system."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def png_files(folder: Path) -> list[Path]:
    """A folder's PNG files; the suffix may be in upper case."""
    return [path for path in entries(folder) if path.suffix.lower() == ".png"]


def image_files(folder: Path) -> list[Path]:
    """A folder's files in known formats."""
    return [path for path in entries(folder) if path.is_file() and format_of(path)] if folder.is_dir() else []


def by_id(files: Iterable[Path], id_of: Callable[[Path], str], what: str) -> dict[str, Path]:
    """Files by their id; a ValueError names files with the same id."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        found[id_of(file)].append(file)
    double = [paths for paths in found.values() if len(paths) > 1]
    if double:
        pairs = first_few(" = ".join(str(path) for path in paths) for paths in double)
        raise ValueError(f"{len(double)} ids have more than one {what}: {pairs}. Keep one file for each id.")
    return {key: paths[0] for key, paths in sorted(found.items())}


def require_pairs(images: Mapping[str, Path], labels: Mapping[str, Path], root: Path) -> None:
    """Check that every image has a mask and every mask an image; a ValueError names the first ones that do not."""
    alone = [images[key] for key in sorted(images.keys() - labels.keys())]
    if alone:
        raise ValueError(
            f"{len(alone)} of {len(images)} images in {root} have no mask: {first_few(alone)}. "
            "Add the masks, or move these images to a folder of their own: --unlabelled-dir takes it for distillation."
        )
    orphans = [labels[key] for key in sorted(labels.keys() - images.keys())]
    if orphans:
        raise ValueError(
            f"{len(orphans)} of {len(labels)} masks in {root} have no image: {first_few(orphans)}. "
            "Add the images, or move these masks elsewhere."
        )


def lacking(root: Path, folders: Iterable[str], files: Iterable[str] = ()) -> str:
    """
    What a data set's folder lacks of folders and files, in words; empty if nothing.

    Example:
        >>> lacking(Path("nowhere"), ["images", "masks"], ["table.csv"])
        'folder images, folder masks, table.csv'
    """
    absent = [f"folder {name}" for name in folders if not (root / name).is_dir()]
    return ", ".join(absent + [name for name in files if not (root / name).is_file()])


def png_pairs(
    root: Path, images: str, masks: str, id_of: Callable[[Path], str] = lambda mask: mask.stem
) -> tuple[dict[str, Path], dict[str, Path]]:
    """
    The PNG files of two folders by their id, which is an image's name.

    Args:
        root: of the data set.
        images: the folder of images.
        masks: the folder of masks.
        id_of: from a mask's file to the id of its image.

    Raises:
        ValueError: For two files of one id, an image without mask or a mask without image.
    """
    found = by_id(png_files(root / images), lambda path: path.stem, "image")
    labels = by_id(png_files(root / masks), id_of, "mask")
    require_pairs(found, labels, root)
    return found, labels


def record_of(key: str, image: Path, masks: Sequence[Path], patient: str, pathology: str) -> Record:
    """
    The record of an image.

    Example:
        >>> record_of("1", Path("1.png"), [Path("1_a.png"), Path("1_b.png")], "Ada", "benign")["label"]
        ['1_a.png', '1_b.png']
    """
    label = [str(mask) for mask in masks]
    return {
        "image": str(image),
        "label": label[0] if len(label) == 1 else label,
        "id": key,
        "patient": patient,
        "pathology": pathology,
    }


def records_with(ids: Sequence[str], records: Iterable[Record], root: object) -> list[Record]:
    """
    The records with these ids, in their order.

    Args:
        ids: of a split.
        records: all of a data set.
        root: its folder, for the message.

    Raises:
        ValueError: When there is no record of an id.

    Example:
        >>> records_with(["2", "1"], [{"id": "1"}, {"id": "2"}], "data")
        [{'id': '2'}, {'id': '1'}]
    """
    known = {record["id"]: record for record in records}
    absent = [key for key in ids if key not in known]
    if absent:
        raise ValueError(
            f"{len(absent)} ids of the split are not in {root}: {first_few(absent)}. Use the split of this data set."
        )
    return [known[key] for key in ids]


def pathology_of(value: object) -> str:
    """
    The pathology in a table's cell: "benign", "malignant", "normal" or, for anything else, "unknown".

    Whole words count, so "abnormal" is not normal. A cell with two of the words, or with a negation, is unknown.

    Example:
        >>> [pathology_of(cell) for cell in ("Benign", "malignant (IDC)", "abnormal", "non-malignant", None)]
        ['benign', 'malignant', 'unknown', 'unknown', 'unknown']
    """
    words = set(re.findall(r"[a-z]+", str(value).lower()))
    found = words & {"benign", "malignant", "normal"}
    return found.pop() if len(found) == 1 and not words & {"no", "non", "not"} else "unknown"
