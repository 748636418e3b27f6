# SPDX-License-Identifier: Apache-2.0
"""How alike two small pictures are, where one may be cut out of the other."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from monai_kd.data.duplicates.thumbnails import SIDE

Values = npt.NDArray[Any]

GRID = 16  # the squares that are compared: finer ones would need a finer search
SCALES = (1.0, 0.975, 0.95, 0.925, 0.9)
PLACES = (0.0, 0.5, 1.0)  # of the cut within the whole: at its beginning, in the middle, at its end
BLUR = 2.0  # squares; what is smoother is depth attenuation and black margins, which many pictures share


def aligned_correlation(first: Values, second: Values) -> Values:
    """The largest correlation of two pictures' details over cuts of 90 to 100 % of either.

    Args:
        first: thumbnails (P, 32, 32).
        second: as many.

    Returns:
        (P,), from -1 to 1.

    Example:
        >>> picture = np.random.default_rng(0).uniform(0, 255, (1, 32, 32))
        >>> bool(aligned_correlation(picture, 255 - 2 * picture)[0] < 0.6 < aligned_correlation(picture, picture)[0])
        True
    """
    cuts_of_first, cuts_of_second = _cuts(first), _cuts(second)
    # The first of the cuts is the whole picture.
    in_second = np.einsum("pck,pk->pc", cuts_of_first, cuts_of_second[:, 0]).max(axis=1)
    in_first = np.einsum("pck,pk->pc", cuts_of_second, cuts_of_first[:, 0]).max(axis=1)
    best: Values = np.maximum(in_first, in_second)
    return best


def correlation(first: Values, second: Values) -> Values:
    """The correlation of thumbnails (P, 32, 32) as they lie, (P,)."""
    return np.einsum("pk,pk->p", _normalized(first), _normalized(second))


def _cuts(pictures: Values) -> Values:
    """Details of every cut, (P, cuts, 256), each of mean 0 and length 1."""
    cuts = [
        np.einsum("yi,pij,xj->pyx", _resampling(scale, along), pictures, _resampling(scale, across), optimize=True)
        for scale in SCALES
        for along in PLACES
        for across in PLACES
        if scale < 1 or along == across == 0
    ]
    stack = np.stack(cuts, axis=1)
    return _normalized(stack - ndimage.gaussian_filter(stack, (0, 0, BLUR, BLUR)))


def _normalized(pictures: Values) -> Values:
    flat = pictures.reshape(*pictures.shape[:-2], -1).astype(np.float32)
    flat = flat - flat.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=-1, keepdims=True)
    result: Values = flat / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result


@cache
def _resampling(scale: float, place: float) -> Values:
    """The matrix (16, 32) that averages a cut of 32 squares' length onto 16."""
    start = (1 - scale) * SIDE * place
    identity = Image.fromarray(np.eye(SIDE, dtype=np.float32))
    box = (0, start, SIDE, start + scale * SIDE)
    return np.asarray(identity.resize((SIDE, GRID), Image.Resampling.BILINEAR, box=box))
