# SPDX-License-Identifier: Apache-2.0
"""Image files as records: a cine loop becomes one record for each of its frames."""

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

    A loop is a DICOM file of several frames or a TIFF file of several pages; see ``formats.read_header``. Its frames'
    ids are ``<name>_frame000`` and so on, and they are of one patient. The patient is DICOM's Patient ID, so that all
    files of a patient stay together, but the file's own name where the ID is empty, a word like "anonymous", or the
    same in all files of the folder, which then could not be split at all. Files in subfolders are of the patient whose
    ID all DICOM files of their subfolder have, else of the patient called as the subfolder.

    Args:
        files: images by their names.
        folders: the subfolder of each image that lies in one.

    Returns:
        Records with ``image``, ``id``, ``patient`` and, for a loop, ``frame``.

    Raises:
        ValueError: When a frame's id is also that of another file.

    Example:
        >>> frame_records({"1": Path("images/1.png")})
        [{'image': 'images/1.png', 'id': '1', 'patient': '1'}]
    """
    headers = {name: _header(path) for name, path in files.items()}
    patients = _patients({name: header.patient for name, header in headers.items()}, folders or {})
    if told := {name: header.display for name, header in headers.items() if header.display}:
        logger.warning(
            "%d DICOM files want %s applied for display. It is not applied: the values are those stored. Files: %s.",
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
            f"{len(double)} frames of loops have the names of other images: {first_few(double)}. Rename these images."
        )
    return records


def _header(path: Path) -> Header:
    if (found := format_of(path)) is None or not found.tells_frames:
        return Header(())
    try:
        return read_header(path)
    except ValueError:
        return Header(())  # loading tells what is wrong with it, together with all other damaged files


def _patients(ids: Mapping[str, str], folders: Mapping[str, str]) -> dict[str, str]:
    """Patient IDs that tell patients apart; in subfolders, what these tell."""
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
    """Patient IDs that tell patients apart."""
    told = {name: patient for name, patient in ids.items() if patient.lower() not in NOBODY}
    if len(ids) > 1 and len(told) == len(ids) and len(set(told.values())) == 1:
        logger.warning(
            "All %d DICOM files have the same Patient ID: each file is taken as a patient of its own. If they are of "
            "one patient, bring more patients.",
            len(ids),
        )
        return {}
    return told
