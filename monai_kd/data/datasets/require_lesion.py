# SPDX-License-Identifier: Apache-2.0
"""A check that the masks of a part of a split show lesions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai_kd.data.image_files.reading import read_mask
from monai_kd.data.records.record import Record

__all__ = ["require_lesion"]


def require_lesion(records: Sequence[Record], what: str) -> None:
    """
    Check that at least one mask is not empty; masks are read until one is found. ``what`` names the images in the
    ValueError.

    A mask that cannot be read passes here, because loading it gives the error.
    """
    for record in records:
        label = record["label"]
        if not isinstance(label, (str, Path, list, tuple)):
            return
        try:
            if bool(read_mask(label, record.get("frame")).any()):
                return
        except (OSError, ValueError):
            return
    raise ValueError(
        f"{what}: none of the {len(records)} masks holds a lesion, so nothing can be learned and the Dice is "
        "undefined. Move images with a lesion into this part of the split, or correct the masks."
    )
