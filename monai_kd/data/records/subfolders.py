# SPDX-License-Identifier: Apache-2.0
"""Images in subfolders, such as one for each patient, as PACS and CDs hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from monai_kd.data.image_files.dicom import DICOM
from monai_kd.data.image_files.formats import SUFFIXES, format_of, name_of, suffix_of
from monai_kd.data.records.record import by_id, entries
from monai_kd.utils.messages import first_few

DEPTH = 5  # of subfolders: a CD has one each for patient, study and series, in one more
OF_MASKS = {"labels", "masks", "labelstr", "labelsts", "gt"}  # folders in which no image to segment lies
CONTENTS = "DICOMDIR"  # what a CD holds: beside it, only DICOM is an image


def images_below(folder: Path) -> list[Path]:
    """
    The images in a folder and its subfolders, but for subfolders of masks; beside a DICOMDIR only DICOM files.

    Args:
        folder: where to begin; links to other folders are not followed.
    """
    found = [path for path in _below(folder, DEPTH) if format_of(path)]
    has_contents = any(path.name.upper() == CONTENTS for path in folder.iterdir())
    return [path for path in found if not has_contents or format_of(path) is DICOM]


def known_files(folder: Path) -> list[Path]:
    """
    The files of a folder, or, where it holds nothing but subfolders, of these; all in formats that are read.

    Raises:
        ValueError: Naming entries that are something else.
    """
    files = entries(folder)
    if files and all(_is_folder(path) for path in files):
        files = list(_below(folder, DEPTH, passed_over=()))
    unknown = [path for path in files if not format_of(path)]
    if unknown:
        raise ValueError(
            f"{len(unknown)} entries of {folder} are in no known format: {first_few(unknown)}. "
            f"Convert them to one of {', '.join(SUFFIXES)}, or move them elsewhere."
        )
    return files


def ids_in(folder: Path, files: Iterable[Path], what: str) -> dict[str, Path]:
    """
    Files by their ids: the name, behind the names of the subfolders in which a file lies.

    Args:
        folder: in which the files are, or its subfolders.
        files: the files.
        what: they are, for messages.

    Raises:
        ValueError: When two files have one id.

    Example:
        >>> list(ids_in(Path("scans"), [Path("scans/ann/1.dcm"), Path("scans/bea/1.dcm")], "image"))
        ['ann_1', 'bea_1']
    """
    return by_id(files, lambda path: "_".join([*path.relative_to(folder).parts[:-1], name_of(path)]), what)


def folders_of(folder: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """For each id whose file lies in a subfolder, that of ``folder`` itself: the patient's, as a rule."""
    parts = {key: path.relative_to(folder).parts for key, path in files.items()}
    return {key: names[0] for key, names in parts.items() if len(names) > 1}


def _below(folder: Path, depth: int, passed_over: Iterable[str] = OF_MASKS) -> Iterable[Path]:
    for path in entries(folder):
        if not _is_folder(path):
            yield path
        elif depth and not path.is_symlink() and path.name.lower() not in passed_over:
            yield from _below(path, depth - 1, passed_over)


def _is_folder(path: Path) -> bool:
    """Whether it is a subfolder; one that is called as an image is none, so that its record names it."""
    return path.is_dir() and not suffix_of(path)
