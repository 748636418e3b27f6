# SPDX-License-Identifier: Apache-2.0
"""Images and masks that a caller lists, instead of those in a data set's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monai_kd.data.image_files.formats import name_of
from monai_kd.data.records.record import Record
from monai_kd.utils.messages import first_few


def given_records(data: Sequence[Mapping[str, Any]], part: str) -> list[Record]:
    """
    Turn a list of images and masks into records: the file's name becomes the id and the patient.

    Args:
        data: at least one dictionary with ``image`` and ``label``, as in MONAI's data lists. Other entries (``id``,
            ``patient``, ``pathology``) are kept.
        part: of the split, for messages.

    Raises:
        ValueError: When the list is empty, one item lacks its image or mask, or two images have the same name.

    Example:
        >>> given_records([{"image": "scans/7.png", "label": "labels/final/7.nii.gz"}], "training")
        [{'id': '7', 'patient': '7', 'pathology': 'unknown', 'image': 'scans/7.png', 'label': 'labels/final/7.nii.gz'}]
    """
    if not data:
        raise ValueError(f"The list of {part} images is empty. Give at least one image with its label.")
    lacking = [sorted({"image", "label"} - set(item)) for item in data if not {"image", "label"} <= set(item)]
    if lacking:
        raise ValueError(f"{len(lacking)} of {len(data)} {part} images lack {' and '.join(lacking[0])}. Add it.")
    records = [_completed(item) for item in data]
    double = [name for name, times in Counter(record["id"] for record in records).items() if times > 1]
    if double:
        raise ValueError(
            f"{len(double)} ids belong to more than one {part} image: {first_few(double)}. "
            "Rename these images, or give each its own 'id'."
        )
    return records


def _completed(item: Mapping[str, Any]) -> Record:
    name = str(item.get("id") or name_of(item["image"]))
    return {"id": name, "patient": name, "pathology": "unknown", **item}
