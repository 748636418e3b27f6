# SPDX-License-Identifier: Apache-2.0
"""Images to check, calibrate and score an export, as a caller would pass them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.bundle import ConfigParser
from PIL import Image

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_ids import find
from monai_kd.bundle.open_bundle import Bundle
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.data import choose_split, read_dataset
from monai_kd.data.image_files.saving import write_image
from monai_kd.export.transforms.preprocessing import before_network
from monai_kd.export.transforms.translate import LOADING, transforms_of_key
from monai_kd.phantom import phantom, phantom_volume
from monai_kd.utils.messages import first_cause, first_line

__all__ = ["BundleData", "DataSet", "phantoms", "raw_pixels"]

Pixels = npt.NDArray[Any]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class DataSet:
    """
    A data set with the split that a bundle trained on; layout, split file and fold are as in the bundle's configs.
    """

    folder: Path
    layout: str | None = None
    split_file: Path | None = None
    fold: int = 0

    def parts(self) -> dict[str, list[Record]]:
        """
        The records of the training, validation and test part.

        Raises:
            ValueError: When the folder is no data set, or the split does not exist.
        """
        split = choose_split(self.folder, self.layout, self.split_file, self.fold)
        records = {record["id"]: record for record in read_dataset(self.folder, self.layout)}
        return {part: [records[key] for key in keys] for part, keys in split.items()}


@dataclass(frozen=True)
class BundleData:
    """
    The images that a bundle's own training config lists, whatever their layout.

    Args:
        root: the bundle's folder.
        folder: its ``dataset_dir``.
    """

    root: Path
    folder: Path

    def parts(self) -> dict[str, list[Record]]:
        """
        The records of training and validation.

        Raises:
            ValueError: When the bundle's lists cannot be made of the folder.
        """
        config = BundleFolder(self.root).config("train")
        slash = "/" if str(config.get("dataset_dir", "")).endswith("/") else ""
        parser = ConfigParser({**config, "bundle_root": str(self.root), "dataset_dir": f"{self.folder}{slash}"})
        found: dict[str, list[Record]] = {}
        for part, name in (("training", "train#dataset#data"), ("validation", "validate#dataset#data")):
            try:
                with importable_scripts(self.root):
                    entries = list(parser.get_parsed_content(name)) if find(config, name) is not None else []
                found[part] = [{"id": f"{part} {number}", **entry} for number, entry in enumerate(entries)]
            except Exception as error:
                cause = first_cause(error)
                raise ValueError(
                    f"'{name}' of the bundle {self.root} lists no images of '{self.folder}': {type(cause).__name__}: "
                    f"{first_line(cause)}. Name the folder that it was trained on."
                ) from error
        if not found["training"]:
            raise ValueError(f"No training image in '{self.folder}'. Name the folder that {self.root} was trained on.")
        return found


def raw_pixels(bundle: Bundle, record: Record) -> Pixels:
    """
    The pixels of an image before any arithmetic, read by the bundle's own loading transforms.

    Returns:
        Shape (1, C, H, W), uint8; for a volume (1, C, W, H, D), float32.

    Raises:
        ValueError: When the image does not have the network's channels or axes, or has values that uint8 cannot hold.
    """
    transforms, shape = bundle.preprocessing(), bundle.input_shape
    data: Any = {"image": record["image"], **({"frame": record["frame"]} if "frame" in record else {})}
    for one in transforms_of_key(transforms, "image"):
        if isinstance(one, LOADING):
            data = one(data)
    pixels = np.asarray(data["image"])
    if pixels.ndim != len(shape) - 1 or pixels.shape[0] != shape[1]:
        raise ValueError(
            f"{record['image']} has shape {pixels.shape} (channels first), but the network takes {shape[1]} "
            f"channels and {len(shape) - 2} axes. Use images of the kind that it was trained on."
        )
    if len(shape) == 5:
        return np.ascontiguousarray(pixels[None], dtype=np.float32)
    if pixels.min() < 0 or pixels.max() > 255 or (pixels != np.round(pixels)).any():
        raise ValueError(
            f"{record['image']} holds values from {pixels.min():g} to {pixels.max():g}, but the exported graph takes "
            "gray values of 8 bits. Export only the network, for pre-processed input, with --raw."
        )
    rows = pixels.swapaxes(1, 2) if before_network(transforms, 2).transposed else pixels
    return np.ascontiguousarray(rows[None], dtype=np.uint8)


@contextmanager
def phantoms(bundle: Bundle, sizes: Sequence[tuple[int, int]] = ((301, 240), (224, 259))) -> Iterator[list[Record]]:
    """
    Synthetic images with the network's channels and axes, as temporary files.

    Args:
        sizes: (W, H) of each picture; volumes have their own sizes.
    """
    _, channels, *axes = bundle.input_shape
    with TemporaryDirectory() as folder:
        records: list[Record] = []
        for index, size in enumerate(sizes):
            path = Path(folder, f"phantom{index}" + (".png" if len(axes) == 2 else ".nii.gz"))
            if len(axes) == 2:
                gray = Image.fromarray(phantom(index)[0]).resize(size)
                turned = [gray, gray.transpose(Image.Transpose.FLIP_LEFT_RIGHT), gray.rotate(180)]
                (gray if channels == 1 else Image.merge("RGB", turned)).save(path)
            else:
                volume = phantom_volume(index, size=(40 + 8 * index, 36, 32))
                write_image(volume.image, np.diag([*volume.spacing, 1.0]), path)
            records.append({"id": path.stem, "image": str(path)})
        yield records
