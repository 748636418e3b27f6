# SPDX-License-Identifier: Apache-2.0
"""BUS-BRA of Gómez-Flores et al. 2024: Images/, Masks/, bus_data.csv and the official folds."""

from __future__ import annotations

from pathlib import Path

from monai_kd.data.layouts.tables import read_csv, require_same_images, rows_by
from monai_kd.data.records.record import Record, lacking, pathology_of, png_pairs, record_of
from monai_kd.utils.messages import first_few

TABLE = "bus_data.csv"
OFFICIAL_FOLDS = (5, 10)


class BusBra:
    """
    BUS-BRA: ``Images/bus_0001-l.png``, ``Masks/mask_0001-l.png`` and ``bus_data.csv``.

    The table's ``Case`` is the patient, who has one or two images.

    Gómez-Flores et al., Medical Physics 51(4), 2024, doi 10.1002/mp.16812.
    """

    name = "bus_bra"

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``Images`` and ``Masks``, and ``bus_data.csv``."""
        return lacking(root, ("Images", "Masks"), (TABLE,))

    def read(self, root: Path) -> list[Record]:
        """One record per image."""
        images, labels = png_pairs(root, "Images", "Masks", lambda mask: mask.stem.replace("mask_", "bus_", 1))
        rows = read_csv(root / TABLE, ("ID", "Case", "Pathology"))
        table = rows_by(root / TABLE, rows, lambda row: row["ID"].strip())
        require_same_images(root / TABLE, table, images)
        return [
            record_of(key, image, [labels[key]], table[key]["Case"].strip(), pathology_of(table[key]["Pathology"]))
            for key, image in images.items()
        ]


def read_official_folds(root: Path, k: int) -> dict[str, int]:
    """
    The published fold (1 to ``k``) of each image id: column ``kFold`` of ``<k>-fold-cv.csv``.

    The table's columns ``valid_<i>`` are not used: they put images of one patient into both training and validation.

    Args:
        root: the folder that holds the tables.
        k: 5 or 10.

    Raises:
        FileNotFoundError: When there is no such table.
        ValueError: When ``k`` is neither, or a cell is not a fold.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "5-fold-cv.csv").write_text("ID,kFold\\nbus_0001-l,3\\n")
        ...     read_official_folds(Path(folder), k=5)
        {'bus_0001-l': 3}
    """
    if k not in OFFICIAL_FOLDS:
        raise ValueError(f"BUS-BRA has official folds for k = 5 and 10, got k = {k}. Use k_folds() for others.")
    path = root / f"{k}-fold-cv.csv"
    folds = {row["ID"]: str(row["kFold"]).strip() for row in read_csv(path, ("ID", "kFold"))}
    wrong = [f"{key}: {fold}" for key, fold in folds.items() if fold not in map(str, range(1, k + 1))]
    if wrong:
        raise ValueError(f"{path}: kFold must be 1 to {k}, got {first_few(wrong)}. Copy the table again.")
    return {key: int(fold) for key, fold in folds.items()}
