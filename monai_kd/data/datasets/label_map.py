# SPDX-License-Identifier: Apache-2.0
"""Masks as an annotation server hands them on."""

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
    Make masks label maps as MONAI Label's writer takes them: uint8, without channel axis, on the axes of their image's
    file.

    A picture (PNG, JPEG, BMP, TIFF) has two axes and no place in space. The file of any other format has three, for
    only with three does its place in space go along: an image of (1, W, H) gets a label map of (W, H, 1), and its
    ``spatial_shape``, by which MONAI Label restores sizes, says so too.

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
        """
        Args:
            data: holds a MetaTensor for every key and the image.

        Returns:
            The record with label maps in place of the masks.
        """
        sample = dict(data)
        image = cast(MetaTensor, sample[self.image].clone())
        axes = 2 if is_picture(str(image.meta["filename_or_obj"])) else 3
        for key in self.key_iterator(sample):
            mask = sample[key].squeeze(0).to(torch.uint8)
            sample[key] = mask if mask.ndim >= axes else mask[..., None]
            image.meta["spatial_shape"] = tuple(sample[key].shape)
        sample[self.image] = image
        return sample
