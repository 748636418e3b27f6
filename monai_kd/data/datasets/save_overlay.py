# SPDX-License-Identifier: Apache-2.0
"""Pictures of images with the contours of their masks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import SaveImaged
from PIL import Image

from monai_kd.data.image_files.saving import mask_name
from monai_kd.utils.atomic_files import atomic_write
from monai_kd.utils.figures import RED, overlay

__all__ = ["SaveOverlayd"]


class SaveOverlayd(SaveImaged):
    """
    Write a picture of each 2D image with the contour of its mask: ``<output_dir>/<image's id>.png``.

    MONAI Label removes every ``SaveImaged`` from a pipeline; as a subclass, this transform is removed too.

    Args:
        keys: the masks, shape (1, W, H), above 0 inside, each with the metadata of its image (after ``Invertd``).
        output_dir: folder of the pictures; made if missing.
        image_key: the image as it was read, shape (C, W, H); its first channel is drawn. Keep a copy by
            ``CopyItemsd("image", names="original")`` after loading.

    Raises:
        ValueError: When the mask is not 2D, or the folder cannot be written to.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> from tempfile import TemporaryDirectory
        >>> mask = MetaTensor(torch.ones(1, 40, 30), meta={"filename_or_obj": "images/scan.jpg"})
        >>> with TemporaryDirectory() as folder:
        ...     _ = SaveOverlayd("pred", folder)({"pred": mask, "original": torch.rand(1, 40, 30)})
        ...     Image.open(Path(folder, "scan.png")).size
        (40, 30)
    """

    def __init__(self, keys: KeysCollection, output_dir: str | PathLike[str], image_key: str = "original") -> None:
        super().__init__(keys, output_dir=str(output_dir))
        self.output_dir, self.image_key = Path(output_dir), image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the pictures and return the record unchanged."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            mask = sample[key]
            if mask.ndim != 3:
                raise ValueError(f"A picture needs a mask (1, W, H), got {tuple(mask.shape)}. Set overlays to False.")
            image, inside = sample[self.image_key][0].cpu().numpy().T, mask[0].cpu().numpy().T
            self.write(overlay(image, [(inside, RED)]), mask)
        return sample

    def write(self, picture: npt.NDArray[np.uint8], mask: MetaTensor) -> None:
        """
        Write a picture in one step.

        Args:
            picture: RGB, shape (H, W, 3).
            mask: with the metadata of its image.
        """
        with atomic_write(self.output_dir / f"{mask_name(mask)}.png") as temporary:
            Image.fromarray(picture).save(temporary, format="PNG")
