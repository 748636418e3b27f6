# SPDX-License-Identifier: Apache-2.0
"""Recognition of a data set's layout; each layout has one line here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from monai_kd.data.layouts.breast import Breast as Breast
from monai_kd.data.layouts.bus_bra import BusBra as BusBra
from monai_kd.data.layouts.bus_uclm import BusUclm as BusUclm
from monai_kd.data.layouts.busi import Busi as Busi
from monai_kd.data.layouts.dataset_a import DatasetA as DatasetA
from monai_kd.data.layouts.monailabel import MonaiLabel as MonaiLabel
from monai_kd.data.layouts.nnunet import NnUnet as NnUnet
from monai_kd.data.layouts.plain import PlainFolders as PlainFolders
from monai_kd.data.records.record import Layout, Record, entries
from monai_kd.data.records.several_folders import Folders, folders_of_data, from_dataset
from monai_kd.data.records.symbolic_links import require_inside
from monai_kd.utils.exports import exported
from monai_kd.utils.messages import closest, first_few

LAYOUTS: tuple[Layout, ...] = tuple(globals()[name]() for name in exported(globals()))
"""The known layouts: one object of each class that an import line above names."""

SEARCH_DEPTH = 2  # an archive often unpacks to <name>/<name>/, and users name the folder above


def read_dataset(root: Folders, layout: str | Layout | None = None) -> list[Record]:
    """
    Read the records of a data set of any known layout, or of several data sets as one.

    Args:
        root: the data set's folder, or a folder up to two levels above it; or a list of such folders. With a list,
            ``id`` and ``patient`` begin with the folder's name.
        layout: a layout's name or object, such as ``"plain"`` or ``Breast(other_masks=True)``. Defaults to None:
            recognize it from the folder.

    Returns:
        Records in order of id, each with ``image``, ``label``, ``id``, ``patient`` and ``pathology``. Frames of a cine
        loop also have ``frame``; records of several data sets have ``dataset``.

    Raises:
        FileNotFoundError: When ``root`` does not exist.
        ValueError: When ``root`` is empty or has no known layout, or several; when a file is missing or duplicated;
            when a link leads out of the folder; or when two folders of a list have the same name or ids.

    Example:
        >>> read_dataset("no/such/folder")
        Traceback (most recent call last):
        FileNotFoundError: No folder no/such/folder. Set dataset_dir to the folder of the data set.
    """
    folders = folders_of_data(root)
    if not isinstance(root, str | PathLike):
        records = [record for folder in folders for record in from_dataset(folder, read_dataset(folder, layout))]
        double = [key for key, times in Counter(record["id"] for record in records).items() if times > 1]
        if double:
            raise ValueError(f"{len(double)} ids are in two data sets: {first_few(double)}. Rename one of the folders.")
        return sorted(records, key=lambda record: str(record["id"]))
    found, folder = find_dataset(folders[0], layout)
    require_inside(folder)
    records = found.read(folder)
    if not records:
        raise ValueError(f"{folder} has the layout {found.name!r} but holds no images. Copy the images into it.")
    return sorted(records, key=lambda record: str(record["id"]))


def find_dataset(root: str | Path, layout: str | Layout | None = None) -> tuple[Layout, Path]:
    """The layout of the data set in or below a folder, and the folder where it begins; see ``read_dataset``."""
    folder = Path(root).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"No folder {root}. Set dataset_dir to the folder of the data set.")
    if not folder.is_dir():
        raise ValueError(f"{root} is a file. Set dataset_dir to the folder of the data set.")
    if not entries(folder):
        raise ValueError(f"{root} is empty. Copy images into it, or name another folder.")
    tried = LAYOUTS if layout is None else (_layout(layout),)
    found = _search(folder, tried, SEARCH_DEPTH)
    if len(found) > 1:
        listed = "; ".join(f"{candidate.name!r} in {path}" for candidate, path in found)
        raise ValueError(f"{root} holds several data sets: {listed}. Set dataset_dir to one of these folders.")
    if found:
        return found[0]
    needs = "; ".join(f"{candidate.name!r} lacks {candidate.missing(folder)}" for candidate in tried)
    raise ValueError(
        f"No known layout in {root}: {needs}. Set dataset_dir to the folder that holds these, or copy the data "
        "to images/<id>.png and labels/<id>.png."
    )


def layout_names(root: Folders, layout: str | Layout | None = None) -> str:
    """The name of a data set's layout; for several data sets, joined by " + "."""
    return " + ".join(find_dataset(folder, layout)[0].name for folder in folders_of_data(root))


def _search(folder: Path, tried: Sequence[Layout], depth: int) -> list[tuple[Layout, Path]]:
    fitting = [candidate for candidate in tried if not candidate.missing(folder)]
    if len(fitting) > 1 and not (folder / "labels").is_dir():
        # A data set with more than images/ and masks/ has the layout that knows the rest.
        fitting = [candidate for candidate in fitting if not isinstance(candidate, PlainFolders)]
    found = [(candidate, folder) for candidate in fitting]
    if not found and depth:
        below = [path for path in entries(folder) if path.is_dir()]
        found = [match for path in below for match in _search(path, tried, depth - 1)]
    return found


def _layout(layout: str | Layout) -> Layout:
    if not isinstance(layout, str):
        return layout
    names = {candidate.name: candidate for candidate in LAYOUTS}
    if layout in names:
        return names[layout]
    raise ValueError(
        f"No layout {layout!r}. Closest: {closest(layout.lower(), names)!r}. Known layouts: {', '.join(names)}."
    )
