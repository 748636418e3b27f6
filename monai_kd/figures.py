# SPDX-License-Identifier: Apache-2.0
"""Pictures of images with the contours of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["GREEN", "RED", "contour", "overlay"]

GREEN = (0, 220, 0)
RED = (255, 40, 40)


def contour(mask: npt.NDArray[np.bool_], width: int = 1) -> npt.NDArray[np.bool_]:
    """
    The pixels of a mask's inner boundary.

    Args:
        mask: shape (H, W).
        width: of the line, in pixels.

    Example:
        >>> contour(np.ones((3, 3), dtype=bool)).astype(int).tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    inside: npt.NDArray[np.bool_] = ndimage.binary_erosion(mask, iterations=width, border_value=0)
    return mask & ~inside


def overlay(
    image: npt.NDArray[np.generic],
    masks: Sequence[tuple[npt.NDArray[np.generic], tuple[int, int, int]]],
    width: int | None = None,
) -> npt.NDArray[np.uint8]:
    """
    A gray image with the contours of masks in color.

    Args:
        image: shape (H, W), any range: its own minimum becomes black and its maximum white.
        masks: pairs of a mask, shape (H, W), and its color; later ones are drawn over earlier ones.
        width: of the lines in pixels. Defaults to one for each 200 pixels of the image's longer side.

    Returns:
        An RGB picture, shape (H, W, 3).

    Example:
        >>> overlay(np.zeros((8, 8)), [(np.eye(8), RED)]).shape
        (8, 8, 3)
    """
    gray = np.asarray(image, dtype=np.float32)
    low, high = float(gray.min()), float(gray.max())
    gray = (gray - low) / (high - low if high > low else 1.0) * 255
    picture = np.repeat(gray.astype(np.uint8)[..., None], 3, axis=-1)
    line = width or max(1, round(max(gray.shape) / 200))
    for mask, color in masks:
        picture[contour(np.asarray(mask) > 0, line)] = color
    return picture
