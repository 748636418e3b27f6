# SPDX-License-Identifier: Apache-2.0
"""Plain folders: images/<id>.* and labels/<id>.*, or masks/<id>.*, in any known format."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from monai_kd.data.image_files.formats import frame_name, read_header
from monai_kd.data.layouts.tables import read_csv, require_same_images, rows_by
from monai_kd.data.records.frames import frame_records
from monai_kd.data.records.record import Record, pathology_of, require_pairs
from monai_kd.data.records.subfolders import folders_of, ids_in, known_files

logger = logging.getLogger(__name__)

UNKNOWN = ("", "unknown", "none", "nan", "n/a", "na", "-", "?")


class PlainFolders:
    """
    Plain folders: ``images/<id>.*`` and ``labels/<id>.*``, matched by id; their formats may differ. ``masks`` may stand
    for ``labels``.

    ``images`` and ``labels`` may hold a folder for each patient instead of files: ``images/<patient>/<name>.*`` has the
    id ``<patient>_<name>``.

    A cine loop (a DICOM file with several frames, a TIFF file with several pages) gives a record for each frame. Its
    masks are one file with as many frames (``labels/<loop>.*``, also a NIfTI or NRRD volume), or files of single frames
    (``labels/<loop>_frame000.*``); frames without such a file are left out.

    ``patients.csv`` gives patients and pathology: columns ``id``, ``patient`` and, if known, ``pathology``. The id of a
    loop stands for all its frames. Without the table, every image counts as its own patient, unless DICOM files name
    their patients; see ``frames.frame_records``.
    """

    name = "plain"

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``images`` and ``labels`` (or ``masks``)."""
        lacking = [] if (root / "images").is_dir() else ["folder images"]
        return ", ".join(lacking + ([] if _masks(root).is_dir() else ["folder labels or masks"]))

    def read(self, root: Path) -> list[Record]:
        """
        One record per image or frame.

        Raises:
            ValueError: When a file has an unknown format, an image has no mask, a mask has no image or not as many
                frames as its loop, two files have the same id, or ``patients.csv`` lacks an image.
        """
        images = ids_in(root / "images", known_files(root / "images"), "image")
        labels = ids_in(_masks(root), known_files(_masks(root)), "mask")
        pairs = pairs_of(images, labels, folders_of(root / "images", images))
        require_pairs({key: Path(record["image"]) for key, record in pairs}, labels, root)
        return labelled_records(pairs, labels, root / "patients.csv")


def pairs_of(
    images: Mapping[str, Path], labels: Mapping[str, Path], folders: Mapping[str, str] | None = None
) -> list[tuple[str, Record]]:
    """The record of each image or frame, with the name that its mask's file has or would have."""
    return [
        pair
        for name, frames in groupby(frame_records(images, folders), _name)
        for pair in _pairs(name, list(frames), labels)
    ]


def labelled_records(pairs: Iterable[tuple[str, Record]], labels: Mapping[str, Path], table: Path) -> list[Record]:
    """Records with their masks, and with patients and pathology from the table if there is one."""
    records = [{**record, "label": str(labels[key]), "pathology": "unknown"} for key, record in pairs]
    return _with_patients(records, table) if table.is_file() else records


def _masks(root: Path) -> Path:
    return root / "labels" if (root / "labels").is_dir() else root / "masks"


def _name(record: Record) -> str:
    """The id of an image, or of a frame's loop."""
    return str(record["id"]).removesuffix(frame_name("", record["frame"])) if "frame" in record else str(record["id"])


def _with_patients(records: list[Record], path: Path) -> list[Record]:
    table = rows_by(path, read_csv(path, ("id", "patient")), lambda row: row["id"])
    keys = [record["id"] if record["id"] in table else _name(record) for record in records]
    require_same_images(path, table.keys() & set(keys), keys)
    rows = [table[key] for key in keys]
    _require_known_pathology(path, dict(zip(keys, rows, strict=True)))
    return [
        {**record, "patient": row["patient"].strip(), "pathology": pathology_of(row.get("pathology"))}
        for record, row in zip(records, rows, strict=True)
    ]


def _require_known_pathology(path: Path, rows: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a misspelt class: its images would be missing from every table by class, without a warning."""
    for key, row in rows.items():
        cell = (row.get("pathology") or "").strip()
        if pathology_of(cell) == "unknown" and cell.lower() not in UNKNOWN:
            raise ValueError(
                f"{path}: the pathology of {key} is {cell!r}, but benign, malignant or normal is expected. Correct it, "
                "or leave the cell empty if it is unknown."
            )


def _pairs(name: str, frames: list[Record], labels: Mapping[str, Path]) -> list[tuple[str, Record]]:
    """The records of an image or a loop, each with the id of its mask's file."""
    if "frame" not in frames[0]:
        return [(name, frames[0])]
    own = [(record["id"], record) for record in frames if record["id"] in labels]
    if own and name in labels:
        raise ValueError(
            f"{labels[name]} and {labels[own[0][0]]} are both masks of {frames[0]['image']}. Keep one of them."
        )
    if own:
        logger.info("%s: %d of %d frames have masks; the others are left out.", name, len(own), len(frames))
        return own
    if name in labels and (planes := read_header(labels[name]).planes) != len(frames):
        raise ValueError(
            f"{labels[name]} has {planes} frames but {frames[0]['image']} has {len(frames)}. Save a mask for each "
            f"frame, or masks of single frames as {frame_name(name, 0)}.png and so on."
        )
    return [(name, record) for record in frames]
