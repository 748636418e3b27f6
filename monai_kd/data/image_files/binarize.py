# SPDX-License-Identifier: Apache-2.0
"""Binary masks: which stored values are accepted, and their conversion to 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Values = npt.NDArray[Any]

JPEG_BLOCK = 8  # pixels over which JPEG compression can blur an edge
ENLARGED = 0.01  # share of the longest side over which enlarging a mask several times can blur an edge
EDGE_SHARE = 0.95


def binarize(values: Values) -> Values:
    """
    Convert a stored mask, in any of the usual scales, to exactly 0 and 1 (float32).

    The scale's largest value ``top`` is 1, 255 or 65535. Two kinds of masks are accepted:

    1. exact masks: 0 and one other value of any size; all zero; or only the value ``top``;
    2. masks blurred by JPEG compression or antialiasing, thresholded at ``top / 2``. They have five or more different
       values, or two that are not exact; pixels in both the lowest and the highest quarter of the scale; fewer pixels
       in the two quarters between than in the highest; and 95 % of those between lie at an edge: along each axis,
       within 8 pixels (or 1 % of the longest side, if that is more) of both the lowest and the highest quarter.

    Everything else is refused: label maps of several classes, photographs, negative or non-finite values. A map of five
    or more classes that fulfils rule 2 by chance cannot be distinguished from a blurred mask.

    Raises:
        ValueError: With the values found.

    Example:
        >>> binarize(np.array([[0, 255], [255, 0]], dtype=np.uint8)).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("the mask holds NaN or infinite values")
    high = values.max()
    if values.min() < 0:
        raise ValueError(f"the mask holds negative values (from {values.min():g} to {high:g})")
    foreground: Values = values != 0
    if not (foreground & (values != high)).any() and (not foreground.all() or high in (1, 255, 65535)):
        return foreground.astype(np.float32)
    if not _is_blurred(values):
        raise ValueError(f"the mask is not two-level; it holds {_described(values)}")
    return (values > _top(high) / 2).astype(np.float32)


def _top(high: float) -> float:
    return next((top for top in (1.0, 255.0) if high <= top), 65535.0)


def _is_blurred(values: Values) -> bool:
    """Rule 2 of ``binarize``."""
    if len(np.unique(values)) in (1, 3, 4):
        return False
    top = _top(values.max())
    low, high = values <= top / 4, values >= top * 3 / 4
    between = ~low & ~high
    if not (low.any() and high.any()) or between.sum() >= high.sum():
        return False
    size = 1 + 2 * max(JPEG_BLOCK, round(ENLARGED * max(values.shape)))
    edge = ndimage.maximum_filter(low, size) & ndimage.maximum_filter(high, size)
    return bool((between & edge).sum() >= EDGE_SHARE * between.sum())


def _described(values: Values) -> str:
    levels = np.unique(values)
    if len(levels) <= 8:
        return "the values " + ", ".join(f"{level:g}" for level in levels)
    return f"{len(levels)} different values from {levels[0]:g} to {levels[-1]:g}"
