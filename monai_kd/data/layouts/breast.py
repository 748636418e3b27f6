# SPDX-License-Identifier: Apache-2.0
"""BrEaST of Pawłowska et al. 2024: images and tumor masks in one folder, with a clinical table."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from monai_kd.data.layouts.tables import pathologies, read_xlsx, warn_of_unlisted
from monai_kd.data.records.record import Record, by_id, entries, record_of
from monai_kd.utils.messages import first_few

logger = logging.getLogger(__name__)

FILE_NAME = re.compile(r"(case\d+)(?:_(tumor|other)\d*)?\.png", re.IGNORECASE)
WITHOUT_TUMOR = ("case045", "case061", "case209", "case213")


class Breast:
    """
    BrEaST: ``case001.png``, ``case001_tumor.png``, ``case001_other1.png``; one image per patient.

    Four of the 256 cases are normal and have no tumor mask; they are skipped, and the log names them. The clinical
    table (``BrEaST-Lesions-USG-clinical-data-*.xlsx``) lies in the images' folder or beside it.

    Pawłowska et al., Scientific Data 11, 2024, doi 10.1038/s41597-024-02984-z.

    Args:
        other_masks: join the masks of further lesions (``_other1`` …) with the tumor's.
    """

    name = "breast"

    def __init__(self, other_masks: bool = False) -> None:
        self.other_masks = other_masks

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: files with BrEaST's names."""
        kinds = {_kind(path) for path in entries(root)} if root.is_dir() else set()
        return "" if {"image", "tumor"} <= kinds else "files case001.png and case001_tumor.png"

    def read(self, root: Path) -> list[Record]:
        """
        One record per case with a tumor mask; a missing mask raises a ValueError, except in the four normal cases.
        """
        files = entries(root)
        images = by_id((path for path in files if _kind(path) == "image"), _case, "image")
        masks = _masks(files, self.other_masks)
        orphans = [path for path in files if _kind(path) in ("tumor", "other") and _case(path) not in images]
        if orphans:
            raise ValueError(
                f"{len(orphans)} masks in {root} have no image: {first_few(orphans)}. Add the images, or remove them."
            )
        left_out = [case for case in images if case not in masks]
        unexpected = [images[case] for case in left_out if case not in WITHOUT_TUMOR]
        if unexpected:
            raise ValueError(
                f"{len(unexpected)} of {len(images)} images in {root} have no tumor mask: {first_few(unexpected)}. "
                f"In the publication, only {', '.join(WITHOUT_TUMOR)} have none. Copy the masks again."
            )
        if left_out:
            logger.info("BrEaST: left out %s, which have no tumor mask in the publication.", ", ".join(left_out))
        pathology = _pathology(root, images)
        return [
            record_of(case, image, masks[case], case, pathology.get(case, "unknown"))
            for case, image in images.items()
            if case in masks
        ]


def _kind(path: Path) -> str:
    match = FILE_NAME.fullmatch(path.name)
    return (match[2] or "image").lower() if match else ""


def _case(path: Path) -> str:
    match = FILE_NAME.fullmatch(path.name)
    return match[1].lower() if match else ""


def _masks(files: list[Path], other_masks: bool) -> dict[str, list[Path]]:
    tumors = by_id((path for path in files if _kind(path) == "tumor"), _case, "tumor mask")
    masks = defaultdict(list, {case: [path] for case, path in tumors.items()})
    for path in files:
        if other_masks and _kind(path) == "other":
            masks[_case(path)].append(path)
    return dict(masks)


def _pathology(root: Path, images: Collection[str]) -> dict[str, str]:
    tables = [path for folder in (root, root.resolve().parent) for path in entries(folder) if _is_table(path)]
    looked_for = "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx"
    table = tables[0] if tables else None
    rows = read_xlsx(table, ("Image_filename", "Classification"), looked_for)
    pathology = pathologies(table, rows, lambda row: Path(str(row["Image_filename"])).stem.lower(), "Classification")
    warn_of_unlisted(table, pathology, images)
    return pathology


def _is_table(path: Path) -> bool:
    name = path.name.lower()
    return name.startswith("breast") and "clinical-data" in name and name.endswith(".xlsx")
