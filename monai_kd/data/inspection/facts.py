# SPDX-License-Identifier: Apache-2.0
"""The facts about one image and its mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_kd.data.duplicates import Thumbnail, thumbnail
from monai_kd.data.image_files.formats import read_header
from monai_kd.data.image_files.load_ultrasound import LoadUltrasoundd
from monai_kd.data.inspection.check_dataset import content_hash
from monai_kd.data.records.record import Record

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class ImageFacts:
    """
    The properties of an image, without its pixels.

    Args:
        encoding: format and pixel type in words.
        size: (W, H) or (W, H, D) in pixels.
        low: smallest gray value.
        high: largest gray value.
        content: hash of size and gray values, equal for exact duplicates.
        thumbnail: to find near duplicates.
        display: settings that viewers apply to the values but reading does not, in words.
    """

    encoding: str
    size: tuple[int, ...]
    low: float
    high: float
    mean: float
    content: str
    thumbnail: Thumbnail
    display: str = ""


@dataclass(frozen=True)
class MaskFacts:
    """
    The properties of a mask, without its pixels.

    Args:
        pixels: of the lesion.
        fraction: of the image that the lesion covers, 0 to 1.
        border: fraction of the image's outermost pixels that the lesion covers, 0 to 1.
        content: hash of size and mask.
        outline: of 32 × 32 squares, those that the lesion fills to at least a quarter of the fullest square.
    """

    pixels: int
    fraction: float
    border: float
    content: str
    outline: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Facts:
    """
    The facts about one record; small enough that those of ten thousand images fit in memory.

    Args:
        image: None if the image cannot be read.
        mask: None if the mask cannot be read or does not fit its image.
        image_error: why ``image`` is None.
        mask_error: why ``mask`` is None.
    """

    record: Record
    image: ImageFacts | None
    mask: MaskFacts | None
    image_error: str = ""
    mask_error: str = ""

    @property
    def id(self) -> str:
        """The record's id."""
        return str(self.record["id"])


def inspect_record(record: Record) -> Facts:
    """Load a record's image and mask, and note their properties or errors."""
    image, image_error = _load(record, "image")
    mask, mask_error = _load(record, "label")
    if image is not None and mask is not None and image.shape != mask.shape:
        mask, mask_error = None, _misfit(record)
    return Facts(
        record,
        None if image is None else _image_facts(record, image),
        None if mask is None else _mask_facts(mask),
        image_error,
        mask_error,
    )


def _load(record: Record, key: str) -> tuple[Values | None, str]:
    try:
        return LoadUltrasoundd(key)(record)[key][0].numpy(), ""
    except (OSError, ValueError) as error:
        return None, str(error)


def _misfit(record: Record) -> str:
    """The message of ``LoadUltrasoundd`` for a mask of another size than its image."""
    try:
        LoadUltrasoundd()(record)
    except ValueError as error:
        return str(error)
    return ""


def _image_facts(record: Record, values: Values) -> ImageFacts:
    header = read_header(record["image"])
    return ImageFacts(
        encoding=header.encoding,
        size=values.shape,
        low=float(values.min()),
        high=float(values.max()),
        mean=float(values.mean(dtype=np.float64)),
        content=content_hash(values[None]),
        thumbnail=thumbnail(values),
        display=header.display,
    )


def _mask_facts(values: Values) -> MaskFacts:
    mask = values > 0
    pixels = int(mask.sum())
    return MaskFacts(
        pixels=pixels,
        fraction=pixels / mask.size,
        border=float(
            np.concatenate([mask[0].ravel(), mask[-1].ravel(), mask[:, 0].ravel(), mask[:, -1].ravel()]).mean()
        ),
        content=content_hash(np.packbits(mask, axis=0)),
        outline=thumbnail(values) > 255 / 4 if 0 < pixels < mask.size else np.full((32, 32), pixels > 0),
    )
