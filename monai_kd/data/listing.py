# SPDX-License-Identifier: Apache-2.0
"""Images without masks, for inference."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from monai_kd.data.formats import SUFFIXES, name_of, suffix_of
from monai_kd.data.frames import frame_records
from monai_kd.data.layouts import find_dataset, read_dataset
from monai_kd.data.layouts.monailabel import MonaiLabel
from monai_kd.data.links import require_inside
from monai_kd.data.records import Record, by_id, image_files

__all__ = ["list_images"]


def list_images(root: str | PathLike[str]) -> list[Record]:
    """
    The images to segment: of a file, of a folder of images (or with a folder ``images`` in it), or of a data set.

    Args:
        root: a file or folder.

    Returns:
        Records with ``image`` and ``id``, in order of name; of a cine loop one for each frame, with ``frame``.

    Raises:
        FileNotFoundError: When there is nothing at ``root``.
        ValueError: When no image is found, two images would give masks of one name, or a link leads out of the folder.

    Example:
        >>> from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (4, 3)).save(Path(folder, "scan.png"))
        ...     [record["id"] for record in list_images(folder)]
        ['scan']
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"No file or folder '{root}'. Correct the path.")
    if root.is_dir():
        require_inside(root)
    try:
        # Known data sets first: in some, masks lie beside the images.
        records = [] if root.is_file() else _of_dataset(root)
        unknown = None
    except ValueError as error:
        records, unknown = [], error
    if records:
        return [_without_label(record) for record in records]
    files = [root] if root.is_file() else image_files(root) or image_files(root / "images")
    if not files:
        raise unknown or ValueError(f"'{root}' holds no image.")
    if not suffix_of(files[0]):
        raise ValueError(f"'{root}' is in no known format. Convert it to one of {', '.join(SUFFIXES)}.")
    return [_without_label(record) for record in frame_records(by_id(files, name_of, "image"))]


def _of_dataset(root: Path) -> list[Record]:
    layout, folder = find_dataset(root)
    if not isinstance(layout, MonaiLabel):
        return read_dataset(folder, layout)
    require_inside(folder)
    return frame_records(layout.images(folder))  # of a study many are not labelled yet


def _without_label(record: Record) -> Record:
    return {key: record[key] for key in ("image", "id", "frame") if key in record}
