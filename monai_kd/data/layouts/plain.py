# SPDX-License-Identifier: Apache-2.0
"""Plain folders: images/<id>.* and labels/<id>.* in any format that MONAI reads."""

from __future__ import annotations

from pathlib import Path

from monai_kd.data.formats import SUFFIXES, suffix_of
from monai_kd.data.records import Record, by_id, entries, first_few, require_pairs


class PlainFolders:
    """Plain folders: ``images/<id>.*`` and ``labels/<id>.*``, matched by id; the formats may differ.

    Every image is taken as a patient of its own, of unknown pathology.

    Example:
        >>> PlainFolders().missing(Path("nowhere"))
        'folder images, folder labels'
    """

    name = "plain"

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``images`` and ``labels``."""
        return ", ".join(f"folder {name}" for name in ("images", "labels") if not (root / name).is_dir())

    def read(self, root: Path) -> list[Record]:
        """One record per image.

        Raises:
            ValueError: for a file of unknown format, an image without mask, a mask without image, or two files of
                one id.
        """
        images = by_id(_files(root / "images"), _id, "image")
        labels = by_id(_files(root / "labels"), _id, "mask")
        require_pairs(images, labels, root)
        return [
            {"image": str(images[key]), "label": str(labels[key]), "id": key, "patient": key, "pathology": "unknown"}
            for key in images
        ]


def _id(path: Path) -> str:
    return path.name[: -len(suffix_of(path))]


def _files(folder: Path) -> list[Path]:
    files = entries(folder)
    unknown = [path for path in files if not suffix_of(path)]
    if unknown:
        raise ValueError(
            f"{len(unknown)} entries of {folder} are in no known format: {first_few(unknown)}. "
            f"Convert them to one of {', '.join(SUFFIXES)}, or move them elsewhere."
        )
    return files
