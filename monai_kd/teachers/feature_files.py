# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from monai_kd.files import atomic_write, require_writable

__all__ = ["FeatureFiles"]


class FeatureFiles:
    """
    Features of images on disk, one file for each image and layer: ``folder/<teacher>/layer_<name>/<image>.pt``.

    Several runs may use one folder at the same time: each file is written whole or not at all.

    Args:
        folder: made if missing.

    Raises:
        ValueError: When the folder cannot be written to; later, when a file is damaged or was written for something
            else than its name says.

    Example:
        >>> import tempfile
        >>> files = FeatureFiles(tempfile.mkdtemp())
        >>> files.write("unet", "image 1", {"": torch.ones(2)})
        >>> files.read("unet", "image 1", ("",)), files.read("unet", "image 2", ("",))
        ({'': tensor([1., 1.])}, None)
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        require_writable(self.folder)

    def read(
        self, teacher: str, image: str, layers: tuple[str, ...], mapped: bool = False
    ) -> dict[str, torch.Tensor] | None:
        """
        Args:
            teacher: key of what made the features.
            image: key of the image.
            layers: names of the layers.
            mapped: map the files into memory; the features are then to be used and dropped, not kept: a process may
                have some ten thousand mappings, and a file that changes changes them.

        Returns:
            The features by layer; None if one is not there.
        """
        paths = {layer: self._path(teacher, image, layer) for layer in layers}
        if not all(path.is_file() for path in paths.values()):
            return None
        return {layer: self._load(path, [teacher, image, layer], mapped) for layer, path in paths.items()}

    def write(self, teacher: str, image: str, features: dict[str, torch.Tensor]) -> None:
        """
        Args:
            teacher: key of what made the features.
            image: key of the image.
            features: by layer.
        """
        for layer, feature in features.items():
            path = self._path(teacher, image, layer)
            # Another process may be writing the same file: each writes one of its own, and the last one stays.
            own = path.with_name(f"{path.stem}-{os.getpid()}.pt")
            with atomic_write(own) as temporary:
                torch.save({"of": [teacher, image, layer], "feature": feature.cpu()}, temporary)
            own.replace(path)

    def _path(self, teacher: str, image: str, layer: str) -> Path:
        return self.folder / teacher / f"layer_{layer}" / f"{image}.pt"

    @staticmethod
    def _load(path: Path, of: list[str], mapped: bool) -> torch.Tensor:
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
            written_for, feature = content["of"], content["feature"]
        except Exception as error:
            raise ValueError(
                f"'{path}' holds no feature of a teacher ({type(error).__name__}): it is damaged, or was written by "
                "something else. Remove it; it is computed anew."
            ) from error
        if written_for != of or not isinstance(feature, torch.Tensor):
            names = ("other weights or settings of the teacher", "another image", "another layer")
            other = [name for name, a, b in zip(names, written_for, of, strict=True) if a != b]
            raise ValueError(
                f"'{path}' was written for {' and '.join(other)} than its place says. Remove it; it is computed anew."
            )
        return feature
