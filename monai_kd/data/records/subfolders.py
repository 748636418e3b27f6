# SPDX-License-Identifier: Apache-2.0
"""Images in subfolders, such as one for each patient, as PACS exports and CDs hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from monai_kd.data.image_files.dicom import DICOM
from monai_kd.data.image_files.formats import SUFFIXES, format_of, name_of, suffix_of
from monai_kd.data.records.record import by_id, entries
from monai_kd.utils.messages import first_few

DEPTH = 5  # levels of subfolders: a CD has patient, study and series below one more folder
OF_MASKS = {"labels", "masks", "labelstr", "labelsts", "gt"}  # these folders hold no images to segment
CONTENTS = "DICOMDIR"  # the table of contents of a CD; beside it, only DICOM files are images


def images_below(folder: Path) -> list[Path]:
    """
    The images in a folder and its subfolders, without subfolders of masks; beside a DICOMDIR, only DICOM files.

    Links to other folders are not followed.
    """
    found = [path for path in _below(folder, DEPTH) if format_of(path)]
    has_contents = any(path.name.upper() == CONTENTS for path in folder.iterdir())
    return [path for path in found if not has_contents or format_of(path) is DICOM]


def known_files(folder: Path) -> list[Path]:
    """
    The files of a folder or, if it holds only subfolders, of these; a ValueError names entries in unknown formats.
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
    Files by their ids: the names of a file's subfolders and its own name, joined by ``_``.

    Two files with the same id raise a ValueError, in which ``what`` names the kind of file.

    Example:
        >>> list(ids_in(Path("scans"), [Path("scans/ann/1.dcm"), Path("scans/bea/1.dcm")], "image"))
        ['ann_1', 'bea_1']
    """
    level = len(folder.parts)
    return by_id(files, lambda path: "_".join([*path.parts[level:-1], name_of(path)]), what)


def folders_of(folder: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """For each file in a subfolder: the topmost one below ``folder``, usually the patient's."""
    parts = {key: path.parts[len(folder.parts) :] for key, path in files.items()}
    return {key: names[0] for key, names in parts.items() if len(names) > 1}


def _below(folder: Path, depth: int, passed_over: Iterable[str] = OF_MASKS) -> Iterable[Path]:
    for path in entries(folder):
        if not _is_folder(path):
            yield path
        elif depth and not path.is_symlink() and path.name.lower() not in passed_over:
            yield from _below(path, depth - 1, passed_over)


def _is_folder(path: Path) -> bool:
    """Whether the path is a subfolder. One that is named like an image is not, so that reading it gives an error."""
    return path.is_dir() and not suffix_of(path)
