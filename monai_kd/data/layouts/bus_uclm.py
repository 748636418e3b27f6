# SPDX-License-Identifier: Apache-2.0
"""BUS-UCLM of Vallez et al. 2025: images/, masks/ with colored masks, INFO.csv."""

from __future__ import annotations

import logging
from pathlib import Path

from monai_kd.data.image_files.formats import read_header
from monai_kd.data.layouts.tables import read_csv, require_same_images, rows_by
from monai_kd.data.records.record import Record, lacking, pathology_of, png_pairs, record_of
from monai_kd.utils.messages import first_few

logger = logging.getLogger(__name__)

TABLE = "INFO.csv"
PATIENT_LETTERS = 4
OF_OTHER_SIZE = "HESN"


class BusUclm:
    """
    BUS-UCLM: ``images/ALWI_000.png``, ``masks/ALWI_000.png`` and ``INFO.csv``.

    The first four letters of an id are the patient. The masks are colored, green for benign and red for malignant
    lesions; both are foreground. Two kinds of images are left out, and the log names them: normal images, which have no
    lesion, and images of patient HESN whose masks have another size. Whether these masks were cropped or scaled is
    unknown, so they cannot be corrected.

    Vallez et al., Scientific Data 12, 2025, doi 10.1038/s41597-025-04562-3.

    Args:
        normal: read the normal images too.
    """

    name = "bus_uclm"

    def __init__(self, normal: bool = False) -> None:
        self.normal = normal

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``images`` and ``masks``, and ``INFO.csv``."""
        return lacking(root, ("images", "masks"), (TABLE,))

    def read(self, root: Path) -> list[Record]:
        """One record per image that is not left out."""
        images, labels = png_pairs(root, "images", "masks")
        rows = read_csv(root / TABLE, ("Image", "Label"), delimiter=";")
        table = rows_by(root / TABLE, rows, lambda row: _without_suffix(row["Image"].strip()))
        require_same_images(root / TABLE, table, images)
        pathology = {key: pathology_of(table[key]["Label"]) for key in images}
        normal = [key for key in images if pathology[key] == "normal" and not self.normal]
        if normal:
            logger.info(
                "BUS-UCLM: left out %d normal images, which have no lesion (%s); BusUclm(normal=True) keeps them.",
                len(normal),
                first_few(normal),
            )
        other_size = [key for key in images if key.startswith(OF_OTHER_SIZE) and _differ(images[key], labels[key])]
        if other_size:
            logger.info("BUS-UCLM: left out %s, whose masks have another size.", ", ".join(other_size))
        return [
            record_of(key, image, [labels[key]], key[:PATIENT_LETTERS], pathology[key])
            for key, image in images.items()
            if key not in {*normal, *other_size}
        ]


def _without_suffix(name: str) -> str:
    return name[: -len(".png")] if name.lower().endswith(".png") else name


def _differ(image: Path, mask: Path) -> bool:
    return read_header(image).shape != read_header(mask).shape
