# SPDX-License-Identifier: Apache-2.0
"""Dataset_A of Yap et al. 2018 (elsewhere "Dataset B" or "UDIAT"): original/, GT/ and DatasetB.xlsx."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from monai_kd.data.layouts.tables import pathologies, read_xlsx, warn_of_unlisted
from monai_kd.data.records import Record, by_id, entries, png_files, require_pairs


class DatasetA:
    """Dataset_A: ``original/000001.png``, ``GT/000001.png`` and, for the pathology, ``DatasetB.xlsx``.

    The 163 ids are 000001–000147 and 000295–000310; the root's own name differs between distributions
    (``BUS``, ``Dataset_B``, ``UDIAT_Dataset_B``). Every image is taken as a patient of its own: the table names none.

    Yap et al., IEEE Journal of Biomedical and Health Informatics 22(4), 2018, doi 10.1109/JBHI.2017.2731873.

    Example:
        >>> DatasetA().missing(Path("nowhere"))
        'folder original, folder GT'
    """

    name = "dataset_a"

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``original`` and ``GT``."""
        return ", ".join(f"folder {name}" for name in ("original", "GT") if not (root / name).is_dir())

    def read(self, root: Path) -> list[Record]:
        """One record per image.

        Raises:
            ValueError: for an image without mask, a mask without image, two files of one id, or a broken table.
        """
        images = by_id(png_files(root / "original"), lambda path: path.stem, "image")
        labels = by_id(png_files(root / "GT"), lambda path: path.stem, "mask")
        require_pairs(images, labels, root)
        pathology = _pathology(root, images)
        return [
            {
                "image": str(images[key]),
                "label": str(labels[key]),
                "id": key,
                "patient": key,
                "pathology": pathology.get(key, "unknown"),
            }
            for key in images
        ]


def _pathology(root: Path, images: Collection[str]) -> dict[str, str]:
    table = next((path for path in entries(root) if path.name.lower() == "datasetb.xlsx"), None)
    rows = read_xlsx(table, ("Image", "Type"), "DatasetB.xlsx")
    # Excel keeps 000001 as the number 1 unless the cell was formatted as text.
    pathology = pathologies(table, rows, lambda row: Path(str(row["Image"]).strip()).stem.zfill(6), "Type")
    warn_of_unlisted(table, pathology, images)
    return pathology
