# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import torch

from monai_kd.utils.atomic_files import require_writable
from monai_kd.utils.checkpoints import CheckpointError, first_not_finite, load_checkpoint, save_checkpoint

__all__ = ["FeatureFiles"]


class FeatureFiles:
    """
    Features of images on disk, one file for each image and layer: ``folder/<teacher>/layer_<name>/<image>.pt``.

    Several runs may use one folder at the same time: each file is written whole or not at all, with its digest.

    Args:
        folder: made if missing.

    Raises:
        ValueError: When the folder cannot be written to; later, when a file is damaged, was written for something else
            than its name says, or holds numbers that are not finite.

    Example:
        >>> import tempfile
        >>> files = FeatureFiles(tempfile.mkdtemp())
        >>> files.write("unet", "image 1", {"": torch.ones(2)})
        >>> files.read("unet", "image 1", ("",)), files.read("unet", "image 2", ("",))
        ({'': tensor([1., 1.])}, None)
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        self._checked: set[Path] = set()
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
            # Another process may be writing the same file: each has a temporary one, and the last one stays.
            save_checkpoint({"of": [teacher, image, layer], "feature": feature.cpu()}, path)

    def _path(self, teacher: str, image: str, layer: str) -> Path:
        return self.folder / teacher / f"layer_{layer}" / f"{image}.pt"

    def _load(self, path: Path, of: list[str], mapped: bool) -> torch.Tensor:
        try:
            # A mapped file is read for every batch, but its bytes are compared with their digest once in a run.
            content: dict[str, Any] = load_checkpoint(path, mapped, checked=path in self._checked)
            written_for, feature = content["of"], content["feature"]
        except Exception as error:
            reason = error.reason if isinstance(error, CheckpointError) else type(error).__name__
            raise ValueError(
                f"'{path}' holds no feature of a teacher ({reason}): it is damaged, or was written by something else. "
                "Remove it; it is computed anew."
            ) from None
        if written_for != of or not isinstance(feature, torch.Tensor):
            names = ("other weights or settings of the teacher", "another image", "another layer")
            other = [name for name, a, b in zip(names, written_for, of, strict=True) if a != b]
            raise ValueError(
                f"'{path}' was written for {' and '.join(other)} than its place says. Remove it; it is computed anew."
            )
        if path not in self._checked and first_not_finite([feature]) is not None:
            raise ValueError(f"'{path}' holds numbers that are not finite. Remove it; it is computed anew.")
        self._checked.add(path)
        return feature
