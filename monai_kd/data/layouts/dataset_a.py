# SPDX-License-Identifier: Apache-2.0
"""Dataset_A of Yap et al. 2018 (elsewhere "Dataset B" or "UDIAT"): original/, GT/ and DatasetB.xlsx."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from monai_kd.data.layouts.tables import Row, pathologies, read_xlsx, warn_of_unlisted
from monai_kd.data.records.record import Record, entries, lacking, png_pairs, record_of


class DatasetA:
    """
    Dataset_A: ``original/000001.png``, ``GT/000001.png`` and, for the pathology, ``DatasetB.xlsx``.

    The 163 ids are 000001–000147 and 000295–000310; the root's own name differs between distributions (``BUS``,
    ``Dataset_B``, ``UDIAT_Dataset_B``). Every image counts as its own patient, because the published table names none.
    If there is a column ``Patient``, as ``convert_dataset`` writes it, it is used.

    Yap et al., IEEE Journal of Biomedical and Health Informatics 22(4), 2018, doi 10.1109/JBHI.2017.2731873.
    """

    name = "dataset_a"

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``original`` and ``GT``."""
        return lacking(root, ("original", "GT"))

    def read(self, root: Path) -> list[Record]:
        """One record per image."""
        images, labels = png_pairs(root, "original", "GT")
        pathology, patient = _table(root, images)
        return [
            record_of(key, image, [labels[key]], patient.get(key, key), pathology.get(key, "unknown"))
            for key, image in images.items()
        ]


def _table(root: Path, images: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Pathology and patient of each image in the table."""
    table = next((path for path in entries(root) if path.name.lower() == "datasetb.xlsx"), None)
    rows = read_xlsx(table, ("Image", "Type"), "DatasetB.xlsx")
    pathology = pathologies(table, rows, _id_of, "Type")
    warn_of_unlisted(table, pathology, images)
    return pathology, {_id_of(row): str(row["Patient"]).strip() for row in rows if row.get("Patient") is not None}


def _id_of(row: Row) -> str:
    # Excel keeps 000001 as the number 1 unless the cell was formatted as text.
    return Path(str(row["Image"]).strip()).stem.zfill(6)
