# SPDX-License-Identifier: Apache-2.0
"""The transform that begins every pipeline: image and mask from their files."""

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
    Load image and mask of a record as MetaTensors (1, W, H[, D]), float32, the mask exactly 0 and 1.

    One orientation for all formats: MONAI's index order, as ``LoadImaged`` and ``EnsureChannelFirstd`` give it, so
    that ``Invertd`` and ``SaveImaged`` work as after these. ``reading.read_image`` and ``read_mask`` say what is read
    how. A key that the record lacks is left out: at inference there is only ``image``. A record of a cine loop has
    ``frame``, the frame to load of image and mask; it is taken out, so that records with and without it collate.
    A mask that is None (of an unlabelled image among labelled ones) becomes a blank one of its image's size.

    Args:
        keys: the keys to load; the value is a path, or for a mask a list of paths to be joined.
        mask_keys: those of ``keys`` that are masks.
        spatial_dims: refuse images of another number of axes. Defaults to None: any.
        eight_bit: refuse images whose values are not gray values from 0 to 255. Defaults to False.

    Raises:
        FileNotFoundError: When a file is missing.
        ValueError: When a file is no readable image or not what is expected, a mask is not two-level, not of its
            image's size or elsewhere than it, an image holds NaN or infinite values, or the record has none of
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
        """
        Load.

        Args:
            data: a record.

        Returns:
            The record with tensors in place of paths.
        """
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
                "Save each slice or frame as an image of its own."
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
    The transform that loads, in a pipeline, so that others can load with the same arguments.

    Args:
        transform: a transform, a list of them, or a ``Compose``.

    Example:
        >>> loading_of(Compose([LoadUltrasoundd("image", eight_bit=True)])).eight_bit
        True
    """
    if isinstance(transform, LoadUltrasoundd):
        return transform
    parts = transform.transforms if isinstance(transform, Compose) else transform
    found = (loading_of(part) for part in parts) if isinstance(parts, (list, tuple)) else iter(())
    return next((loading for loading in found if loading is not None), None)
