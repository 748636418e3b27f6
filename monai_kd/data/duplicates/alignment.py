# SPDX-License-Identifier: Apache-2.0
"""Similarity of two small pictures when one may be a crop of the other."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from monai_kd.data.duplicates.thumbnails import SIDE

Values = npt.NDArray[Any]

GRID = 16  # squares along each side; more would need a finer search
SCALES = (1.0, 0.975, 0.95, 0.925, 0.9)
PLACES = (0.0, 0.5, 1.0)  # position of the crop along each side: start, middle, end
BLUR = 2.0  # squares; smoother structures are depth attenuation and black margins, which many pictures share


def aligned_correlation(first: Values, second: Values) -> Values:
    """
    The largest correlation (P,) of two pictures' details over crops of 90 to 100 % of either; thumbnails (P, 32, 32).
    """
    cuts_of_first, cuts_of_second = _cuts(first), _cuts(second)
    # The first crop is the whole picture.
    in_second = np.einsum("pck,pk->pc", cuts_of_first, cuts_of_second[:, 0]).max(axis=1)
    in_first = np.einsum("pck,pk->pc", cuts_of_second, cuts_of_first[:, 0]).max(axis=1)
    best: Values = np.maximum(in_first, in_second)
    return best


def correlation(first: Values, second: Values) -> Values:
    """The correlation (P,) of thumbnails (P, 32, 32) without alignment."""
    return np.einsum("pk,pk->p", _normalized(first), _normalized(second))


def _cuts(pictures: Values) -> Values:
    """Details of every crop, (P, crops, 256), each with mean 0 and length 1."""
    pictures = pictures.astype(np.float32)
    sharp, blurred = _resampling()
    details = [_resampled(pictures, s) - _resampled(pictures, b) for s, b in zip(sharp, blurred, strict=True)]
    return _normalized(np.concatenate(details, axis=1))


def _resampled(pictures: Values, matrices: Values) -> Values:
    """All pairs of positions along both axes, (P, positions², 16, 16)."""
    places = len(matrices)
    rows = matrices.reshape(-1, SIDE)
    grid = (rows @ pictures @ rows.T).reshape(-1, places, GRID, places, GRID)
    return grid.swapaxes(2, 3).reshape(-1, places * places, GRID, GRID)


def _normalized(pictures: Values) -> Values:
    flat = pictures.reshape(*pictures.shape[:-2], -1).astype(np.float32)
    flat = flat - flat.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=-1, keepdims=True)
    result: Values = flat / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result


@cache
def _resampling() -> tuple[list[Values], list[Values]]:
    """For each scale, matrices (positions, 16, 32) that average a crop onto 16 squares; and the same with blurring."""
    identity = Image.fromarray(np.eye(SIDE, dtype=np.float32))
    blur = ndimage.gaussian_filter1d(np.eye(GRID, dtype=np.float32), BLUR, axis=0)
    sharp = []
    for scale in SCALES:
        boxes = [(0, start, SIDE, start + scale * SIDE) for start in (1 - scale) * SIDE * np.array(PLACES)]
        cuts = [np.asarray(identity.resize((SIDE, GRID), Image.Resampling.BILINEAR, box=box)) for box in boxes]
        sharp.append(np.stack(cuts if scale < 1 else cuts[:1]))
    return sharp, [blur @ matrices for matrices in sharp]
