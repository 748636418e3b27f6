# SPDX-License-Identifier: Apache-2.0
"""Synthetic volumes, as an automated breast scanner records them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_kd.phantom.drawing import is_normal, scanner_for
from monai_kd.phantom.settings import PhantomSettings, require_number
from monai_kd.phantom.volumes.sweep import halve, sweep
from monai_kd.phantom.volumes.tissue import Block, Shape, add_lesion_volume, breast_volume

FIELD = (40.0, 36.0, 40.0)
"""Size of a volume in mm: across, in depth and along the sweep."""


@dataclass(frozen=True)
class PhantomVolume:
    """
    One synthetic volume in MONAI's index order, with its ground truth.

    Args:
        image: (W, H, D), uint8: across, in depth, along the sweep.
        mask: (W, H, D), bool; all False for a normal breast.
        pathology: "Benign", "Malignant" or "Normal".
        spacing: of the voxels along these axes, mm.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    pathology: str
    spacing: tuple[float, float, float]


def phantom_volume(
    index: int, seed: int = 0, size: Shape = (96, 96, 64), settings: PhantomSettings | None = None
) -> PhantomVolume:
    """
    A synthetic breast volume, 40 mm across, 36 mm deep and 40 mm along the sweep of a linear probe.

    The beam is narrowest in depth and widest along the sweep, so neighboring slices are correlated.

    Args:
        index: number of the volume, from 0.
        seed: selects the data set, from 0.
        size: of the volume in voxels, (W, H, D), at least 16 each.
        settings: scanner, gain, noise, dynamic range and fraction of normals.

    Raises:
        ValueError: When ``index`` or ``seed`` is negative, an axis has fewer than 16 voxels, or ``settings`` ask for a
            curved probe, a depth or margins.

    Example:
        >>> volume = phantom_volume(1, size=(32, 32, 24))
        >>> volume.image.shape, bool(volume.mask.any()), [round(mm, 2) for mm in volume.spacing]
        ((32, 32, 24), True, [1.25, 1.12, 1.67])
    """
    require_number(index, seed)
    settings = settings or PhantomSettings()
    _require_volume(size, settings)
    random = np.random.default_rng([seed, index])
    # Two samples for each voxel in depth, because the pulse is shorter than a voxel.
    block = Block((2 * size[1], size[0], size[2]), (FIELD[1] / size[1] / 2, FIELD[0] / size[0], FIELD[2] / size[2]))
    tissue = breast_volume(random, block)
    mask, pathology = np.zeros((size[1], size[0], size[2]), dtype=np.bool_), "Normal"
    if not is_normal(index, seed, settings):
        distance, pathology = add_lesion_volume(tissue, random, block)
        mask = halve(distance) > 0
    gray = sweep(scanner_for(settings, random), tissue, random, block)
    spacing = (FIELD[0] / size[0], FIELD[1] / size[1], FIELD[2] / size[2])
    return PhantomVolume(gray.swapaxes(0, 1), mask.swapaxes(0, 1), pathology, spacing)


def _require_volume(size: Shape, settings: PhantomSettings) -> None:
    if len(size) != 3 or min(size) < 16:
        raise ValueError(f"size of a volume must be three axes of 16 voxels or more, got {size}. Choose another.")
    if settings.probe != "linear" or settings.depth is not None or settings.margins:
        raise ValueError(
            "A volume has a linear probe, a fixed depth and no margins. Leave out probe, depth and margins."
        )
