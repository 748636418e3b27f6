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
    Average a picture onto 32 × 32 squares; its darkest square becomes 0 and its brightest 255.

    Args:
        values: gray values (W, H), or (W, H, D), of which the middle slice is used.

    Returns:
        uint8 (32, 32); all zero for a constant picture.

    Example:
        >>> picture = np.outer(np.arange(64), np.ones(48))
        >>> (thumbnail(picture) == thumbnail(2 * picture[::2] + 30)).all()
        np.True_
    """
    plane = values[..., values.shape[-1] // 2] if values.ndim == 3 else values
    picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))
    low, high = small.min(), small.max()
    if high <= low:
        return np.zeros((SIDE, SIDE), dtype=np.uint8)
    return np.rint((small - low) * (255 / (high - low))).astype(np.uint8)
