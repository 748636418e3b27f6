# SPDX-License-Identifier: Apache-2.0
"""Masks in the form that an annotation server sends."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, cast

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_kd.data.image_files.formats import is_picture

__all__ = ["AsLabelMapd"]


class AsLabelMapd(MapTransform):
    """
    Convert masks to label maps for MONAI Label's writer: uint8, without channel axis, with the axes of the image's
    file.

    The label map of a picture (PNG, JPEG, BMP, TIFF) has two axes. The label map of any other format has three, because
    the position in space is kept only then: an image (1, W, H) gets a label map (W, H, 1), and its ``spatial_shape``,
    from which MONAI Label restores sizes, is changed accordingly.

    Args:
        keys: the masks, each (1, W, H[, D]) with whole numbers.
        image: key of their image, with its metadata.

    Example:
        >>> from monai_kd.data.image_files.reading import read_image
        >>> from pathlib import Path; from tempfile import TemporaryDirectory; from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (40, 30), 255).save(Path(folder, "1.png"))
        ...     image = read_image(Path(folder, "1.png"))
        >>> label_map = AsLabelMapd("pred")({"image": image, "pred": image > 0})["pred"]
        >>> label_map.shape, label_map.dtype
        (torch.Size([40, 30]), torch.uint8)
    """

    def __init__(self, keys: KeysCollection, image: Hashable = "image") -> None:
        super().__init__(keys)
        self.image = image

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the masks by label maps."""
        sample = dict(data)
        image = cast(MetaTensor, sample[self.image].clone())
        axes = 2 if is_picture(str(image.meta["filename_or_obj"])) else 3
        for key in self.key_iterator(sample):
            mask = sample[key].squeeze(0).to(torch.uint8)
            sample[key] = mask if mask.ndim >= axes else mask[..., None]
            image.meta["spatial_shape"] = tuple(sample[key].shape)
        sample[self.image] = image
        return sample
