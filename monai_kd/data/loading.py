# SPDX-License-Identifier: Apache-2.0
"""The transform that begins every pipeline: image and mask from their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import ensure_tuple

from monai_kd.data.images import read_image, read_mask, require_same_size


class LoadUltrasoundd(MapTransform):
    """Load image and mask of a record as MetaTensors (1, W, H[, D]), float32, the mask exactly 0 and 1.

    One orientation for all formats: MONAI's index order, as ``LoadImaged`` and ``EnsureChannelFirstd`` give it, so
    that ``Invertd`` and ``SaveImaged`` work as after these. ``images.read_image`` and ``read_mask`` say what is read
    how. A key that the record lacks is left out: at inference there is only ``image``.

    Args:
        keys: the keys to load; the value is a path, or for a mask a list of paths to be joined.
        mask_keys: those of ``keys`` that are masks.

    Raises:
        FileNotFoundError: when a file is missing.
        ValueError: when a file is no readable image, a mask is not two-level or not of its image's size, an image
            holds NaN or infinite values, or the record has none of ``keys``.

    Example:
        >>> from pathlib import Path; from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     path = str(Path(folder, "1.png"))
        ...     Image.new("L", (40, 30), 255).save(path)
        ...     loaded = LoadUltrasoundd()({"image": path, "label": path})
        >>> loaded["image"].shape, loaded["label"].max().item()
        (torch.Size([1, 40, 30]), 1.0)
    """

    def __init__(self, keys: KeysCollection = ("image", "label"), mask_keys: KeysCollection = ("label",)) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.mask_keys = set(ensure_tuple(mask_keys))

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """The record with tensors in place of paths."""
        loaded = dict(data)
        present = list(self.key_iterator(loaded))
        if not present:
            raise ValueError(f"The record has none of the keys {self.keys}, but {tuple(data)}. Rename its keys.")
        for key in present:
            loaded[key] = read_mask(data[key]) if key in self.mask_keys else read_image(data[key])
        images = [key for key in present if key not in self.mask_keys]
        for key in present:
            if images and key in self.mask_keys:
                require_same_size(loaded[key], loaded[images[0]], data[key], data[images[0]])
        return loaded
