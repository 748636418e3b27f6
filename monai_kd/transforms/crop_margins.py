# SPDX-License-Identifier: Apache-2.0
"""The ultrasound picture without the margins, text and scale bars of the scanner's screen."""

from __future__ import annotations

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import CropForeground, CropForegroundd
from monai.utils import convert_to_numpy
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["CropMargins", "CropMarginsd", "scan_area"]

CONTRAST = 0.015  # share of the gray range: pixels that differ by less from the margin's gray belong to the margin
DENSITY = 0.5  # the strokes of text fill a smaller share of its line than this, tissue a larger one
WINDOW = 1 / 25  # share of each side: lines of text and scale bars are narrower


def scan_area(image: torch.Tensor) -> torch.Tensor:
    """
    Find where an image shows tissue: the largest area, wider than a line of text, that is densely filled with gray
    values other than the margin's.

    The margin's gray is the most frequent gray value along the image's border. If no such area is found, as in an image
    without margins, the whole image counts.

    Args:
        image: shape (C, W, H[, D]), any range.

    Returns:
        Bool, shape (1, W, H[, D]).

    Example:
        >>> image = torch.zeros(1, 100, 80)
        >>> image[:, 20:90, 10:70] = 100 + torch.arange(60.0)
        >>> scan_area(image)[0].nonzero().aminmax(dim=0)
        torch.return_types.aminmax(
        min=tensor([20, 10]),
        max=tensor([89, 69]))
    """
    gray = convert_to_numpy(image).astype(np.float32).mean(axis=0)
    contrast = CONTRAST * float(gray.max() - gray.min())
    filled = np.abs(gray - _margin_gray(gray, contrast)) > contrast
    window = [1 + 2 * round(WINDOW * side / 2) for side in gray.shape]
    dense = ndimage.uniform_filter(filled.astype(np.float32), window, mode="nearest") > DENSITY
    # A morphological opening: it removes what is narrower than the window and keeps all other edges.
    wide = ndimage.maximum_filter(ndimage.minimum_filter(dense, window, mode="nearest"), window, mode="nearest")
    labels, count = ndimage.label(wide)
    if count == 0:
        return torch.ones(1, *gray.shape, dtype=torch.bool)
    sizes = np.bincount(labels.ravel())[1:]
    return torch.from_numpy(labels == 1 + int(sizes.argmax()))[None]


def _margin_gray(gray: NDArray[np.float32], contrast: float) -> float:
    """The most frequent gray value of the border, counted in steps of ``contrast``."""
    inside = tuple(slice(1, -1) for _ in gray.shape)
    on_border = np.ones(gray.shape, dtype=bool)
    on_border[inside] = False
    border = gray[on_border]
    if contrast == 0:
        return float(border[0])
    steps, counts = np.unique(np.round(border / contrast), return_counts=True)
    return float(np.median(border[np.round(border / contrast) == steps[counts.argmax()]]))


class CropMargins(CropForeground):
    """
    Crop an image to the bounding box of its :func:`scan_area`; invertible.

    Text and calipers on the picture itself stay. Where a picture fades to black with depth, its dark end is cropped
    too; in BrEaST and BUS-BRA, no lesion loses a pixel.

    Args:
        margin: pixels to keep around the box, where the image has them.
        lazy: as in MONAI's ``CropForeground``.

    Example:
        >>> image = torch.zeros(1, 100, 80)
        >>> image[:, 20:90, 10:70] = 100 + torch.arange(60.0)
        >>> CropMargins()(image).shape
        torch.Size([1, 70, 60])
    """

    def __init__(self, margin: int = 0, lazy: bool = False) -> None:
        super().__init__(select_fn=scan_area, margin=margin, allow_smaller=True, lazy=lazy)


class CropMarginsd(CropForegroundd):
    """
    Dictionary form of :class:`CropMargins`: all keys are cropped to the box of one image.

    Args:
        source_key: the image that gives the box. Defaults to ``"image"``.
        margin: pixels to keep around the box, where the image has them.
        allow_missing_keys: skip keys that a record lacks.
        lazy: as in MONAI's ``CropForegroundd``.

    Example:
        >>> image = torch.zeros(1, 100, 80)
        >>> image[:, 20:90, 10:70] = 100 + torch.arange(60.0)
        >>> CropMarginsd(["image", "label"])({"image": image, "label": image > 0})["label"].shape
        torch.Size([1, 70, 60])
    """

    def __init__(
        self,
        keys: KeysCollection,
        source_key: str = "image",
        margin: int = 0,
        allow_missing_keys: bool = False,
        lazy: bool = False,
    ) -> None:
        super().__init__(
            keys,
            source_key,
            select_fn=scan_area,
            margin=margin,
            allow_smaller=True,
            start_coord_key=None,
            end_coord_key=None,
            allow_missing_keys=allow_missing_keys,
            lazy=lazy,
        )
