# SPDX-License-Identifier: Apache-2.0
"""Masks written in the geometry of their images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import SaveImaged

from monai_kd.data.image_files.formats import format_of, is_picture, mask_suffix, name_of, writer_of
from monai_kd.utils.atomic_files import atomic_write

__all__ = ["SaveMaskd", "mask_name", "save_mask", "write_image"]


def mask_name(mask: MetaTensor) -> str:
    """
    The name of a mask's file without suffix: the image's id, or otherwise its file's name. A slash in the id is
    refused.
    """
    source = Path(str(mask.meta["filename_or_obj"]))
    name = str(mask.meta.get("name") or name_of(source))
    if Path(name).name != name:
        raise ValueError(f"The mask of '{source}' cannot be named {name!r}. Give the image an id without a slash.")
    return name


def save_mask(mask: MetaTensor, output_dir: str | PathLike[str]) -> Path:
    """
    Write a mask as ``<output_dir>/<image's id>.<suffix>`` in the geometry of its image.

    The format is PNG (0 and 255) for PNG, JPEG, BMP and TIFF images, NIfTI for NIfTI, and NRRD for all others. A
    picture's mask has the orientation in which viewers show the picture. NIfTI and NRRD have the axes, origin, spacing
    and direction of the image's file, or of the affine if that file is gone. The mask of a cine loop's frame is one
    slice, with the frame in its name: ``loop_frame007.nrrd``.

    Args:
        mask: shape (1, W, H[, D]), above 0 inside, on the image's grid, with the image's metadata.
        output_dir: folder of the mask; made if missing.

    Returns:
        The file that was written.

    Raises:
        ValueError: When the folder cannot be written to, or the mask would overwrite its image.

    Example:
        >>> from monai.data import MetaTensor
        >>> from tempfile import TemporaryDirectory
        >>> mask = MetaTensor(torch.ones(1, 40, 30), meta={"filename_or_obj": "images/scan.jpg"})
        >>> with TemporaryDirectory() as folder:
        ...     save_mask(mask, folder).name
        'scan.png'
    """
    source = Path(str(mask.meta["filename_or_obj"]))
    path = Path(output_dir) / (mask_name(mask) + mask_suffix(source))
    if path.resolve() == source.resolve():
        raise ValueError(f"The mask of '{source}' would overwrite the image. Choose another output_dir.")
    values = (mask.as_tensor().squeeze(0) > 0).to(torch.uint8).cpu().numpy()
    if is_picture(source):
        values *= 255
    own = format_of(source) if source.is_file() else None
    if own is None or own.write is None:
        write_image(values, mask.affine, path)
    else:
        with atomic_write(path) as temporary:
            own.write(values, source, temporary)
    return path


def write_image(values: npt.NDArray[Any], affine: Any, path: str | PathLike[str]) -> None:
    """
    Write an image or a mask in one step.

    Args:
        values: shape (W, H[, D]); for PNG (W, H), uint8.
        affine: (4, 4), from pixels to mm in MONAI's RAS; PNG cannot store it.
        path: of a PNG, NIfTI or NRRD file.

    Raises:
        ValueError: When the folder cannot be written to, or the file has another format.
    """
    write = writer_of(Path(path))
    with atomic_write(Path(path)) as temporary:
        write(values, np.asarray(affine, dtype=np.float64), temporary)


class SaveMaskd(SaveImaged):
    """
    Write masks by :func:`save_mask`, each in the geometry and a suitable format of its image; ``SaveImaged`` writes one
    format.

    MONAI Label removes every ``SaveImaged`` from a pipeline; as a subclass, this transform is removed too.

    Args:
        keys: the masks, each with the metadata of its image (after ``Invertd``).
        output_dir: folder of the masks; made if missing.

    Raises:
        ValueError: When the folder cannot be written to.

    Example:
        >>> from monai.data import MetaTensor
        >>> from tempfile import TemporaryDirectory
        >>> mask = MetaTensor(torch.ones(1, 40, 30), meta={"filename_or_obj": "images/scan.nii.gz"})
        >>> with TemporaryDirectory() as folder:
        ...     _ = SaveMaskd("pred", folder)({"pred": mask})
        ...     [path.name for path in Path(folder).iterdir()]
        ['scan.nii.gz']
    """

    def __init__(self, keys: KeysCollection, output_dir: str | PathLike[str]) -> None:
        super().__init__(keys, output_dir=str(output_dir))
        self.output_dir = output_dir

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the masks and return the record unchanged."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            save_mask(sample[key], self.output_dir)
        return sample
