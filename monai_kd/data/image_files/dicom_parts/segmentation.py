# SPDX-License-Identifier: Apache-2.0
"""The pixels of a DICOM Segmentation: ITK reads none that has no orientation, and ultrasound has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monai_kd.data.image_files.dicom_parts.header import BITS_STORED, UNDEFINED, DicomHeader
from monai_kd.data.image_files.image_format import UnsuitableError

Values = npt.NDArray[Any]


def segmentation_values(path: Path, header: DicomHeader) -> Values:
    """
    The mask of a segmentation with one segment, as 0 and 1, shape (W, H) or (W, H, frames).

    Raises:
        UnsuitableError: When it has several segments, or not one bit a pixel.
    """
    start, length = header.pixels
    if header.segments != 1 or header.display.get(BITS_STORED) != 1 or length == UNDEFINED:
        raise UnsuitableError(
            f"is a DICOM Segmentation of {header.segments} segments; a mask has one, of the type BINARY and "
            "uncompressed. Export the lesion's segment alone."
        )
    count = header.width * header.height * header.frames
    with path.open("rb") as stream:
        stream.seek(start)
        packed = np.frombuffer(stream.read((count + 7) // 8), dtype=np.uint8)
    values = np.unpackbits(packed, count=count, bitorder="little").reshape(header.frames, header.height, header.width)
    return values[0].T if header.frames == 1 else values.T
