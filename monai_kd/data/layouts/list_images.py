# SPDX-License-Identifier: Apache-2.0
"""Images without masks, for inference."""

from __future__ import annotations

import logging
from os import PathLike
from pathlib import Path

from monai_kd.data.image_files.formats import SUFFIXES, format_of, read_header, suffix_of
from monai_kd.data.image_files.image_format import NoImageError
from monai_kd.data.layouts import find_dataset, read_dataset
from monai_kd.data.layouts.monailabel import MonaiLabel
from monai_kd.data.layouts.nnunet import NnUnet
from monai_kd.data.records.frames import frame_records
from monai_kd.data.records.record import Record, entries, image_files
from monai_kd.data.records.several_folders import Folders, folders_of_data, from_dataset
from monai_kd.data.records.subfolders import folders_of, ids_in, images_below
from monai_kd.data.records.symbolic_links import require_inside
from monai_kd.utils.messages import first_few

logger = logging.getLogger(__name__)

__all__ = ["list_images"]


def list_images(root: Folders) -> list[Record]:
    """
    List the images to segment: a file, a folder of images, a folder with a subfolder ``images``, or a data set.

    If a folder has images only in subfolders, such as one for each patient, these are read, and an image's id begins
    with the subfolders' names: ``patient1_scan``. DICOM files need no suffix; files without an image (reports, the
    DICOMDIR of a CD) and segmentations are left out.

    Args:
        root: a file or folder, or a list of several folders with different names. With a list, ids begin with the
            folder's name.

    Returns:
        Records with ``image`` and ``id``, in order of name; for a cine loop, one with ``frame`` for each frame.

    Raises:
        FileNotFoundError: When ``root`` does not exist.
        ValueError: When there is no image, two images would give masks of the same name, or a link leads out of the
            folder.

    Example:
        >>> from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (4, 3)).save(Path(folder, "scan.png"))
        ...     [record["id"] for record in list_images(folder)]
        ['scan']
    """
    if not isinstance(root, str | PathLike):
        return [record for folder in folders_of_data(root) for record in from_dataset(folder, list_images(folder))]
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"No file or folder '{root}'. Correct the path.")
    if root.is_dir():
        require_inside(root, broken_too=False)
    try:
        # Known data sets first, because in some of them masks lie beside the images.
        records = [] if root.is_file() else _of_dataset(root)
        unknown = None
    except ValueError as error:
        records, unknown = [], error
    if records:
        return [_without_label(record) for record in records]
    if root.is_file() and not format_of(root):
        raise ValueError(f"'{root}' is in no known format. Convert it to one of {', '.join(SUFFIXES)}.")
    folder, files = (root.parent, [root]) if root.is_file() else _of_folder(root)
    if not files:
        raise unknown or ValueError(f"'{root}' holds no image. Choose another folder.")
    found = ids_in(folder, files, "image")
    return [_without_label(record) for record in frame_records(found, folders_of(folder, found))]


def _of_folder(root: Path) -> tuple[Path, list[Path]]:
    """The folder from which the ids begin, and its images: its own, or otherwise those in subfolders."""
    for folder in (root, root / "images"):
        if files := _with_pixels(_own_images(folder)):
            tops = {folder / path.relative_to(folder).parts[0] for path in images_below(folder)}
            if below := sorted(path for path in tops if path.is_dir() and path not in files):
                logger.warning(
                    "%s holds images, so those in its subfolders are left out: %s.", folder, first_few(below)
                )
            return folder, files
    start = root / "images" if (root / "images").is_dir() else root
    return start, _with_pixels(images_below(start))


def _with_pixels(files: list[Path]) -> list[Path]:
    """The files without DICOM files that hold no image, such as reports and masks."""
    without = {path for path in files if _is_without_image(path)}
    if without:
        logger.warning("%d DICOM files hold no image and are left out: %s.", len(without), first_few(sorted(without)))
    return [path for path in files if path not in without]


def _is_without_image(path: Path) -> bool:
    if (found := format_of(path)) is None or not found.tells_frames:
        return False
    try:
        return read_header(path).is_mask
    except NoImageError:
        return True
    except (OSError, ValueError):
        return False  # loading reports the error


def _own_images(folder: Path) -> list[Path]:
    """
    A folder's images. Broken links and folders named like an image are included, so that reading them gives an error.
    """
    if not folder.is_dir():
        return []
    return sorted({*image_files(folder), *(path for path in entries(folder) if suffix_of(path))})


def _of_dataset(root: Path) -> list[Record]:
    layout, folder = find_dataset(root)
    if not isinstance(layout, (MonaiLabel, NnUnet)):
        return read_dataset(folder, layout)
    require_inside(folder)
    return frame_records(layout.images(folder))  # some have no label


def _without_label(record: Record) -> Record:
    return {key: record[key] for key in ("image", "id", "frame") if key in record}
