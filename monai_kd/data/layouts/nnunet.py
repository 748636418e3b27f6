# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's raw data: imagesTr/<case>_0000.*, labelsTr/<case>.* and dataset.json."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from monai_kd.data.image_files.formats import name_of
from monai_kd.data.layouts.plain import labelled_records, pairs_of
from monai_kd.data.records.record import Record, by_id, image_files, lacking, require_pairs
from monai_kd.data.records.subfolders import known_files
from monai_kd.utils.json_files import read_json
from monai_kd.utils.messages import first_few

logger = logging.getLogger(__name__)

TABLE = "dataset.json"
CHANNEL = re.compile(r"(.+)_(\d{4})")
REMEDY = "Copy it again, or write the data set with 'data convert --output-layout nnunet'."


class NnUnet:
    """
    nnU-Net's raw data with one channel and one label: ``imagesTr/<case>_0000.*``, ``labelsTr/<case>.*``,
    ``dataset.json``.

    nnU-Net stores no patients: every image counts as its own patient, unless ``patients.csv`` names them as in
    :class:`PlainFolders`; ``convert_dataset`` writes that table. The images of ``imagesTs`` have no labels and are left
    out; ``list_images`` gives them too.

    Isensee et al., Nature Methods 18, 2021, doi 10.1038/s41592-020-01008-z.
    """

    name = "nnunet"

    def missing(self, root: Path) -> str:
        """What ``root`` lacks: the folders ``imagesTr`` and ``labelsTr``, and ``dataset.json``."""
        return lacking(root, ("imagesTr", "labelsTr"), (TABLE,))

    def images(self, root: Path) -> dict[str, Path]:
        """
        All images by their cases, from ``imagesTr`` and ``imagesTs``; a case with several channels raises a ValueError.
        """
        return _cases(root, [*image_files(root / "imagesTr"), *image_files(root / "imagesTs")])

    def read(self, root: Path) -> list[Record]:
        """One record per labelled image; several channels or several labels raise a ValueError."""
        images = _cases(root, known_files(root / "imagesTr"))
        labels = by_id(known_files(root / "labelsTr"), name_of, "mask")
        _check_table(root / TABLE, len(images))
        pairs = pairs_of(images, labels)
        require_pairs({key: Path(record["image"]) for key, record in pairs}, labels, root)
        if others := image_files(root / "imagesTs"):
            logger.info("nnU-Net: left out the %d images of imagesTs, which have no label.", len(others))
        return labelled_records(pairs, labels, root / "patients.csv")


def _cases(root: Path, files: list[Path]) -> dict[str, Path]:
    """Images by their cases."""
    without = [path for path in files if not CHANNEL.fullmatch(name_of(path))]
    if without:
        raise ValueError(
            f"{len(without)} images in {root} lack the channel's number: {first_few(without)}. Rename each to "
            "<case>_0000."
        )
    further = [path for path in files if not name_of(path).endswith("_0000")]
    if further:
        raise ValueError(
            f"{len(further)} images in {root} are further channels: {first_few(further)}. Only the gray image is read. "
            "Keep the files _0000 and remove the others."
        )
    return by_id(files, lambda path: name_of(path).removesuffix("_0000"), "image")


def _check_table(path: Path, images: int) -> None:
    """Refuse a table of several labels, which would be merged into one; log when images are missing."""
    table: Any = read_json(path, remedy=REMEDY)
    labels = table.get("labels") if isinstance(table, dict) else None
    if not isinstance(labels, dict):
        raise ValueError(f"{path} has no labels. {REMEDY}")
    if "dataset" in table:
        raise ValueError(
            f"{path} lists the files itself ('dataset'). Copy the images to imagesTr and the masks to labelsTr."
        )
    # The first version of the format swapped names and numbers: {"0": "background"}.
    numbers = {name: number for name, number in labels.items() if "0" not in (str(name), str(number))}
    if len(numbers) != 1:
        raise ValueError(
            f"{path} has {len(numbers)} labels besides the background: {first_few(numbers)}. Exactly one is read, the "
            "lesion. Merge them, or keep one."
        )
    if table.get("numTraining", images) != images:
        logger.warning("%s lists %s images, but imagesTr holds %d.", path, table["numTraining"], images)
