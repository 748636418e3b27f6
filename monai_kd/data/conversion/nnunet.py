# SPDX-License-Identifier: Apache-2.0
"""
nnU-Net v2's raw data: ``imagesTr/<case>_0000.png``, ``labelsTr/<case>.png`` (0 and 1) and ``dataset.json``.

Format: https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md. All files have the same,
lossless format. nnU-Net's own folds ignore patients. ``patients.csv`` keeps them for whoever reads the data set back.
Copy ``splits_final.json`` (written from a split file) to ``nnUNet_preprocessed/Dataset###_Name`` before training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from monai_kd.data.conversion.naming import plain_names
from monai_kd.data.conversion.pixels import NIFTI, PNG
from monai_kd.data.conversion.plain import write_patients
from monai_kd.data.conversion.target import Entry, Target
from monai_kd.data.image_files.formats import format_of
from monai_kd.data.image_files.pillow import PICTURES
from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import Split
from monai_kd.utils.json_files import write_json


def _suffix(records: Sequence[Record]) -> str:
    # TIFF may hold floats.
    return PNG if all(format_of(record["image"]) is PICTURES for record in records) else NIFTI


def _check(out: Path) -> None:
    if not re.fullmatch(r"Dataset\d{3}_[A-Za-z0-9_-]+", out.name):
        raise ValueError(
            f"nnU-Net needs a folder named Dataset###_Name, got {out.name!r}. Choose, for instance, "
            "nnUNet_raw/Dataset501_BreastUltrasound."
        )


def _write_tables(folder: Path, entries: list[Entry], splits: list[Split]) -> None:
    write_patients(folder, entries, splits)
    image = entries[0]["image"]
    description = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(entries),
        "file_ending": PNG if image.endswith(PNG) else NIFTI,
    }
    write_json(folder / "dataset.json", description)
    if splits:
        folds = [{"train": split["training"], "val": split["validation"]} for split in splits]
        write_json(folder / "splits_final.json", folds)


NN_UNET = Target(
    name="nnunet",
    image="imagesTr/{id}_0000",
    label="labelsTr/{id}",
    inside=1,
    names=plain_names,
    suffix=_suffix,
    finish=_write_tables,
    check=_check,
)
