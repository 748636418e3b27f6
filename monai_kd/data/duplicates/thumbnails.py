# SPDX-License-Identifier: Apache-2.0
"""Thumbnails so small that re-encoding, resizing and brightness no longer matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 32
Thumbnail = npt.NDArray[np.uint8]
"""A picture of 32 × 32 gray values."""


def thumbnail(values: npt.NDArray[Any]) -> Thumbnail:
    """
    Average gray values (W, H) onto 32 × 32 squares, uint8; the darkest square becomes 0 and the brightest 255.

    Of a volume (W, H, D), the middle slice is used. A constant picture gives zeros.
    """
    plane = values[..., values.shape[-1] // 2] if values.ndim == 3 else values
    picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))
    low, high = small.min(), small.max()
    if high <= low:
        return np.zeros((SIDE, SIDE), dtype=np.uint8)
    return np.rint((small - low) * (255 / (high - low))).astype(np.uint8)
