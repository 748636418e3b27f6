# SPDX-License-Identifier: Apache-2.0
"""From image files to records, with one record for each frame of a cine loop."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from monai_kd.data.image_files.formats import format_of, frame_name, read_header
from monai_kd.data.image_files.image_format import Header
from monai_kd.data.records.record import Record
from monai_kd.utils.messages import first_few

logger = logging.getLogger(__name__)

NOBODY = {"", "0", "anon", "anonymous", "anonymized", "anonymised", "none", "unknown"}


def frame_records(files: Mapping[str, Path], folders: Mapping[str, str] | None = None) -> list[Record]:
    """
    One record for each image, and for each frame of each loop.

    A loop is a DICOM file with several frames, or a TIFF file with several pages (see ``formats.read_header``). The ids
    of its frames are ``<name>_frame000`` and so on; all belong to one patient.

    The patient is DICOM's Patient ID, so all files of a patient stay together. The file's own name is used instead if
    the ID is empty, a word like "anonymous", or the same in all files of the folder, which could not be split then. For
    files in a subfolder, the patient is the ID that all DICOM files of the subfolder share, otherwise the subfolder's
    name.

    Args:
        files: images by their names.
        folders: the subfolder of each image that lies in one.

    Returns:
        Records with ``image``, ``id``, ``patient`` and, for a loop, ``frame``.

    Raises:
        ValueError: When a frame's id is also the id of another file.
    """
    headers = {name: _header(path) for name, path in files.items()}
    patients = _patients({name: header.patient for name, header in headers.items()}, folders or {})
    if told := {name: header.display for name, header in headers.items() if header.display}:
        logger.warning(
            "%d DICOM files ask viewers to apply %s. It is not applied here: the stored values are used. Files: %s.",
            len(told),
            first_few(sorted(set(told.values())), 2),
            first_few(told),
        )
    records: list[Record] = []
    for name, path in files.items():
        record = {"image": str(path), "id": name, "patient": patients.get(name, name)}
        frames = headers[name].planes if headers[name].is_loop else 0
        records += [{**record, "id": frame_name(name, frame), "frame": frame} for frame in range(frames)] or [record]
    double = [key for key, times in Counter(record["id"] for record in records).items() if times > 1]
    if double:
        raise ValueError(
            f"{len(double)} frames of loops have the same names as images: {first_few(double)}. Rename these images."
        )
    return records


def _header(path: Path) -> Header:
    if (found := format_of(path)) is None or not found.tells_frames:
        return Header(())
    try:
        return read_header(path)
    except ValueError:
        return Header(())  # loading reports it together with all other damaged files


def _patients(ids: Mapping[str, str], folders: Mapping[str, str]) -> dict[str, str]:
    """The Patient IDs that distinguish patients; for files in subfolders, those of the subfolder."""
    told = _told(ids)
    of_folder: dict[str, set[str]] = defaultdict(set)
    for name, folder in folders.items():
        of_folder[folder] |= {told[name]} if name in told else set()
    by_folder = {
        name: next(iter(of_folder[folder])) if len(of_folder[folder]) == 1 else told.get(name, folder)
        for name, folder in folders.items()
    }
    return told | by_folder


def _told(ids: Mapping[str, str]) -> dict[str, str]:
    """The Patient IDs that distinguish patients."""
    told = {name: patient for name, patient in ids.items() if patient.lower() not in NOBODY}
    if len(ids) > 1 and len(told) == len(ids) and len(set(told.values())) == 1:
        logger.warning(
            "All %d DICOM files have the same Patient ID, so each file counts as its own patient. If they do show one "
            "patient, add images of others.",
            len(ids),
        )
        return {}
    return told
