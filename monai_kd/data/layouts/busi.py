# SPDX-License-Identifier: Apache-2.0
"""BUSI of Al-Dhabyani et al. 2020: benign/, malignant/ and normal/, with masks beside their images."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from pathlib import Path

from monai_kd.data.records.record import Record, by_id, entries, png_files, record_of, require_pairs

logger = logging.getLogger(__name__)

MASK_NAME = re.compile(r"(.+)_mask(?:_(\d+))?\.png", re.IGNORECASE)


class Busi:
    """
    BUSI: ``benign/benign (1).png``, ``benign (1)_mask.png``, ``benign (1)_mask_1.png``; likewise ``malignant/``.

    Several masks of one image are joined. The folder ``normal/`` holds images without a lesion and with empty masks.
    Most published work on segmentation leaves it out; so does this layout, with a note in the log. The patients are
    unknown: every image counts as its own patient.

    Al-Dhabyani et al., Data in Brief 28, 2020, doi 10.1016/j.dib.2019.104863.

    Args:
        normal: read the normal images too.
    """

    name = "busi"

    def __init__(self, normal: bool = False) -> None:
        self.normal = normal

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``benign`` and ``malignant`` with files named like BUSI's masks."""
        lacking = [name for name in ("benign", "malignant") if not _has_masks(root / name)]
        return ", ".join(f"folder {name} with masks" for name in lacking)

    def read(self, root: Path) -> list[Record]:
        """One record per image; with ``normal``, a missing folder ``normal`` raises a ValueError."""
        normal = png_files(root / "normal") if (root / "normal").is_dir() else []
        if normal and not self.normal:
            count = sum(not MASK_NAME.fullmatch(path.name) for path in normal)
            logger.info(
                "BUSI: left out the %d images of normal/, which have no lesion; Busi(normal=True) keeps them.", count
            )
        if self.normal and not normal:
            raise ValueError(f"{root} has no images in a folder normal. Copy it from the archive, or use Busi().")
        kinds = ("benign", "malignant", "normal") if self.normal else ("benign", "malignant")
        files = [path for kind in kinds for path in png_files(root / kind)]
        images = by_id((path for path in files if not MASK_NAME.fullmatch(path.name)), lambda path: path.stem, "image")
        masks = _masks(files)
        require_pairs(images, {key: paths[0] for key, paths in masks.items()}, root)
        return [record_of(key, path, masks[key], key, path.parent.name) for key, path in images.items()]


def _masks(files: list[Path]) -> dict[str, list[Path]]:
    """Each image's masks, in order of their numbers."""
    numbered: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in files:
        match = MASK_NAME.fullmatch(path.name)
        if match:
            numbered[match[1]].append((int(match[2] or 0), path))
    return {key: [path for _, path in sorted(found)] for key, found in numbered.items()}


def _has_masks(folder: Path) -> bool:
    return folder.is_dir() and any(MASK_NAME.fullmatch(path.name) for path in entries(folder))
