# SPDX-License-Identifier: Apache-2.0
"""Pixels of formats whose libraries decode all slices or frames at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from monai_kd.data.image_files.file_checks import UnsuitableError, require_frame
from monai_kd.data.image_files.image_format import Pixels, Values

Decoded = tuple[Values, Values, bool]
"""Values (W, H[, D][, channels]), the affine, and whether there is a channel axis."""

GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601-2, as Pillow's mode "L"
LOOPS_KEPT = 2  # one loop of images and one of masks
_one_at_a_time = threading.Lock()


def of_whole(decode: Callable[[Path], Decoded]) -> Callable[[Path, int | None, bool], Pixels]:
    """
    Make the function ``pixels`` of a format from one that decodes a whole file; a loop is decoded once for all its
    frames.
    """

    def pixels(path: Path, frame: int | None, is_mask: bool) -> Pixels:
        if frame is None:
            values, affine, has_channels = decode(path)
        else:
            status = path.stat()
            with _one_at_a_time:  # otherwise every thread would decode the loop
                values, affine, has_channels = _kept(decode, path, status.st_mtime_ns, status.st_size)
            is_flat = values.ndim - has_channels == 2
            require_frame(frame, 1 if is_flat else values.shape[2])
            values = values if is_flat else values[:, :, frame]
        if has_channels:
            values = values[..., :3].max(axis=-1) if is_mask else _gray(values)
        return values, affine

    return pixels


@lru_cache(maxsize=LOOPS_KEPT)
def _kept(decode: Callable[[Path], Decoded], path: Path, _modified: int, _size: int) -> Decoded:
    return decode(path)


def _gray(values: Values) -> Values:
    """Gray values of RGB (..., 3) or RGBA (..., 4); alpha is composited on black."""
    if values.shape[-1] not in (3, 4):
        raise UnsuitableError(f"has {values.shape[-1]} channels. Export it as gray, RGB or RGBA.")
    mixed: Values = values[..., :3] @ GRAY_WEIGHTS
    is_integer = values.dtype.kind in "iu"
    if values.shape[-1] == 4:
        mixed = mixed * (values[..., 3] / (np.iinfo(values.dtype).max if is_integer else 1.0))
    return np.rint(mixed) if is_integer else mixed
