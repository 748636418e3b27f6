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

    Several runs can use one folder at the same time, because each file is written atomically, with its digest.

    Args:
        folder: created if missing.

    Raises:
        ValueError: When the folder is not writable; later, when a file is damaged, was moved, or holds numbers that are
            not finite.

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
        The features by layer, or None if one has no file.

        Args:
            teacher: key of the teacher and its settings.
            image: from :func:`monai_kd.teachers.content_keys.image_keys`.
            layers: module names.
            mapped: map the files into memory. Then use and drop the features: a process can have some ten thousand
                mappings, and a file that changes would change them.
        """
        paths = {layer: self._path(teacher, image, layer) for layer in layers}
        if not all(path.is_file() for path in paths.values()):
            return None
        return {layer: self._load(path, [teacher, image, layer], mapped) for layer, path in paths.items()}

    def write(self, teacher: str, image: str, features: dict[str, torch.Tensor]) -> None:
        """Write features by layer, for the keys of :meth:`read`."""
        for layer, feature in features.items():
            path = self._path(teacher, image, layer)
            # Another process may write the same file: each writes a temporary file, and the last rename wins.
            save_checkpoint({"of": [teacher, image, layer], "feature": feature.cpu()}, path)

    def _path(self, teacher: str, image: str, layer: str) -> Path:
        return self.folder / teacher / f"layer_{layer}" / f"{image}.pt"

    def _load(self, path: Path, of: list[str], mapped: bool) -> torch.Tensor:
        try:
            # A mapped file is read for every batch, but its digest is checked once in a run.
            content: dict[str, Any] = load_checkpoint(path, mapped, checked=path in self._checked)
            written_for, feature = content["of"], content["feature"]
        except Exception as error:
            reason = error.reason if isinstance(error, CheckpointError) else type(error).__name__
            raise ValueError(
                f"'{path}' holds no feature of a teacher ({reason}): it is damaged, or another program wrote it. "
                "Remove it; it will be computed again."
            ) from None
        if written_for != of or not isinstance(feature, torch.Tensor):
            names = ("other weights or settings of the teacher", "another image", "another layer")
            other = [name for name, a, b in zip(names, written_for, of, strict=True) if a != b]
            raise ValueError(
                f"'{path}' was written for {' and '.join(other)} than its path says. Remove it; it will be computed "
                "again."
            )
        if path not in self._checked and first_not_finite([feature]) is not None:
            raise ValueError(f"'{path}' holds numbers that are not finite. Remove it; it will be computed again.")
        self._checked.add(path)
        return feature
