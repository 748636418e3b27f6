# SPDX-License-Identifier: Apache-2.0
"""The first transform of every pipeline: image and mask from their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import Compose, MapTransform
from monai.utils import ensure_tuple

from monai_kd.data.image_files.reading import on_image, read_image, read_mask, require_same_size


class LoadUltrasoundd(MapTransform):
    """
    Load image and mask of a record as MetaTensors (1, W, H[, D]), float32; the mask is exactly 0 and 1.

    All formats get MONAI's index order, as ``LoadImaged`` and ``EnsureChannelFirstd`` give it, so ``Invertd`` and
    ``SaveImaged`` work. ``reading.read_image`` and ``read_mask`` describe the details.

    Missing keys are skipped, because at inference there is only ``image``. A record of a cine loop has ``frame``, the
    frame to load; it is removed, so that records with and without it collate. A mask that is None (of an unlabelled
    image) becomes an empty mask of its image's size.

    Args:
        keys: the keys to load; each value is a path, or for a mask a list of paths to join.
        mask_keys: those of ``keys`` whose values are read as 0 and 1.
        spatial_dims: required number of axes. Defaults to None: any.
        eight_bit: refuse images whose values are not gray values from 0 to 255. Defaults to False.

    Raises:
        FileNotFoundError: When a file is missing.
        ValueError: When a file is not a readable image or not as required; when a mask is not two-level or differs from
            its image in size or position; when an image holds NaN or infinite values; or when the record has none of
            ``keys``.

    Example:
        >>> from pathlib import Path; from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     path = str(Path(folder, "1.png"))
        ...     Image.new("L", (40, 30), 255).save(path)
        ...     loaded = LoadUltrasoundd()({"image": path, "label": path})
        >>> loaded["image"].shape, loaded["label"].max().item()
        (torch.Size([1, 40, 30]), 1.0)
    """

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        mask_keys: KeysCollection = ("label",),
        spatial_dims: int | None = None,
        eight_bit: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.mask_keys = set(ensure_tuple(mask_keys))
        self.spatial_dims = spatial_dims
        self.eight_bit = eight_bit

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Replace the paths of a record by tensors."""
        loaded = dict(data)
        present = list(self.key_iterator(loaded))
        if not present:
            raise ValueError(f"The record has none of the keys {self.keys}, but {tuple(data)}. Rename its keys.")
        frame = loaded.pop("frame", None)
        images = [key for key in present if key not in self.mask_keys]
        masks = [key for key in present if key in self.mask_keys]
        for key in images:
            loaded[key] = self._image(data[key], frame, str(data.get("id") or ""))
        for key in masks:
            if data[key] is None and images:
                loaded[key] = loaded[images[0]].clone().zero_()
                continue
            loaded[key] = read_mask(data[key], frame)
            if images:
                if frame is None:
                    loaded[key] = on_image(loaded[key], loaded[images[0]], data[key], data[images[0]])
                require_same_size(loaded[key], loaded[images[0]], data[key], data[images[0]])
        return loaded

    def _image(self, path: Any, frame: int | None, name: str) -> MetaTensor:
        image = read_image(path, frame, name)
        if self.spatial_dims not in (None, image.ndim - 1):
            raise ValueError(
                f"{path} has the shape {tuple(image.shape[1:])}, but images of {self.spatial_dims} axes are expected. "
                "Save each slice or frame as its own image."
            )
        low, high = float(image.min()), float(image.max())
        if self.eight_bit and (low < 0 or high > 255 or 0 < high <= 1):
            raise ValueError(
                f"{path} holds values from {low:g} to {high:g}, but gray values from 0 to 255 are expected. "
                "Export it with 8 bits, or scale it."
            )
        return image


def loading_of(transform: Any) -> LoadUltrasoundd | None:
    """
    The loading transform in a pipeline (a transform, a list or a ``Compose``), so that others can load in the same way.
    """
    if isinstance(transform, LoadUltrasoundd):
        return transform
    parts = transform.transforms if isinstance(transform, Compose) else transform
    found = (loading_of(part) for part in parts) if isinstance(parts, (list, tuple)) else iter(())
    return next((loading for loading in found if loading is not None), None)
