# SPDX-License-Identifier: Apache-2.0
"""
Convert a data set of any known layout to another layout; to add one, write one file and one line in ``TARGETS``.

8-bit gray pictures keep their exact values in PNG, 16-bit ones in 16-bit PNG. NIfTI, NRRD, MHA and DICOM become NIfTI,
which keeps values, spacing and orientation (``dataset_a`` is PNG only). As everywhere in this package, color becomes
gray, and several masks of one image become one. In every layout, ``manifest.json`` records the source of each file, and
the patients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from monai_kd.data.conversion.dataset_a import DATASET_A
from monai_kd.data.conversion.monailabel import MONAI_LABEL
from monai_kd.data.conversion.nnunet import NN_UNET
from monai_kd.data.conversion.pixels import PNG, exact_values, fits_png, natural_suffix, write_values
from monai_kd.data.conversion.plain import PLAIN
from monai_kd.data.conversion.target import Entry, Target
from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd
from monai_kd.data.layouts import find_dataset, read_dataset
from monai_kd.data.records.record import Layout, Record
from monai_kd.data.splits.groups import Split
from monai_kd.data.splits.split_files import read_splits, write_splits
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.digest import sha256
from monai_kd.utils.json_files import read_json, write_json
from monai_kd.utils.messages import closest
from monai_kd.version import __version__

__all__ = ["TARGETS", "Entry", "Target", "convert_dataset"]

TARGETS = {target.name: target for target in (PLAIN, DATASET_A, NN_UNET, MONAI_LABEL)}
"""The layouts to write, by name."""


def convert_dataset(
    root: str | PathLike[str],
    out: str | PathLike[str],
    layout: str,
    splits: str | PathLike[str] | None = None,
    source: str | Layout | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[Entry]:
    """
    Write a data set in another layout, all of it or nothing.

    Args:
        root: the data set, as in ``read_dataset``.
        out: the folder to make; it may exist if it is empty.
        layout: one of ``TARGETS``.
        splits: a split file of the data set; it is written with the new ids as ``splits.json``.
        source: the layout to read, as in ``read_dataset``. Defaults to None: recognize it from the folder.
        progress: called with the numbers of finished and of all images.

    Returns:
        The entries of the manifest, one for each image.

    Raises:
        FileNotFoundError: When ``root`` or the split file does not exist.
        ValueError: When the layout is unknown, the data set or the split file cannot be read, an image does not fit the
            layout, or ``out`` is not empty, lies in ``root`` or cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from monai_kd.phantom import write_phantoms
        >>> with TemporaryDirectory() as folder:
        ...     write_phantoms(f"{folder}/phantoms", count=1)
        ...     (entry,) = convert_dataset(f"{folder}/phantoms", f"{folder}/Dataset501_Phantoms", layout="nnunet")
        >>> entry["image"], entry["label"], entry["source_image"]
        ('imagesTr/000001_0000.png', 'labelsTr/000001.png', 'original/000001.png')
    """
    target, folder = _target(layout), Path(out).resolve()
    target.check(folder)
    found, begins = find_dataset(Path(root), source)
    if folder.is_relative_to(begins.resolve()):
        raise ValueError(f"{out} lies in the data set {begins}. Choose a folder beside it.")
    records = read_dataset(begins, found)
    names = target.names([record["id"] for record in records])
    new_splits = _renamed(splits, records, names)
    with atomic_folder(folder) as fresh:
        suffix = target.suffix(records)
        entries = []
        for record, name in zip(records, names, strict=True):
            entries.append(_write(record, name, target, suffix, fresh, begins))
            if progress is not None:
                progress(len(entries), len(records))
        target.finish(fresh, entries, new_splits)
        if splits is not None:
            settings = read_json(splits)
            protocol, seed = str(settings.get("protocol", "unknown")), int(settings.get("seed", 0))
            write_splits(fresh / "splits.json", new_splits, protocol, target.name, seed)
        _write_manifest(fresh, target.name, found.name, entries)
    return entries


def _write(record: Record, name: str, target: Target, suffix: str, fresh: Path, begins: Path) -> Entry:
    loaded = LoadUltrasoundd()(record)
    values, affine = exact_values(loaded["image"]), np.asarray(loaded["image"].affine)
    ending = suffix or natural_suffix(values, record["image"])
    if ending == PNG and not fits_png(values):
        raise ValueError(
            f"{record['image']} ({values.dtype}, {' × '.join(map(str, values.shape))}) does not fit into a PNG, and "
            f"{target.name} has PNG files only. Choose --output-layout plain or nnunet."
        )
    mask = (loaded["label"].numpy()[0] > 0).astype(np.uint8) * np.uint8(target.inside)
    image, label = (pattern.format(id=name) + ending for pattern in (target.image, target.label))
    write_values(values, affine, fresh / image)
    write_values(mask, affine, fresh / label)
    return _entry(record, name, image, label, begins)


def _entry(record: Record, name: str, image: str, label: str, begins: Path) -> Entry:
    labels = record["label"] if isinstance(record["label"], list) else [record["label"]]
    entry: dict[str, Any] = {
        "id": name,
        "source_id": record["id"],
        "patient": record["patient"],
        "pathology": record["pathology"],
        "image": image,
        "label": label,
        "source_image": _below(record["image"], begins),
        "source_label": [_below(path, begins) for path in labels],
    }
    return entry | ({"frame": record["frame"]} if "frame" in record else {})


def _write_manifest(folder: Path, layout: str, source_layout: str, entries: list[Entry]) -> None:
    """Write the entries, and the SHA-256 of every file in the converted data set, which must be complete."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = {
        "layout": layout,
        "source_layout": source_layout,
        "monai_kd": __version__,
        "images": entries,
        "sha256": {path.relative_to(folder).as_posix(): sha256(path) for path in files},
    }
    write_json(folder / "manifest.json", content)


def _below(path: str, begins: Path) -> str:
    return Path(path).relative_to(begins).as_posix()


def _renamed(path: str | PathLike[str] | None, records: Sequence[Record], names: Sequence[str]) -> list[Split]:
    if path is None:
        return []
    new = {record["id"]: name for record, name in zip(records, names, strict=True)}
    return [
        {part: [new[key] for key in ids] for part, ids in split.items()} for split in read_splits(Path(path), records)
    ]


def _target(layout: str) -> Target:
    if layout not in TARGETS:
        raise ValueError(
            f"No layout {layout!r} to write. Closest: {closest(layout.lower(), TARGETS)!r}. Known: "
            f"{', '.join(TARGETS)}."
        )
    return TARGETS[layout]
