# SPDX-License-Identifier: Apache-2.0
"""A bundle's folder and its configs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_files import CONFIGS, find_file, list_files, read_file, read_merged
from monai_kd.bundle.config_ids import Config

__all__ = ["BundleFolder"]


@dataclass(frozen=True)
class BundleFolder:
    """
    A bundle's folder, whose JSON or YAML configs have names such as ``"train"`` and ``"methods/logits_kl"``.

    ``root`` need not be a bundle's folder; then there are no configs.

    Example:
        >>> folder = BundleFolder(Path("bundles/breast_ultrasound_segmentation"))
        >>> folder.config("train", "methods/logits_kl")["max_epochs"] > 0, folder.has("trian")
        (True, False)
    """

    root: Path

    def find(self, name: str) -> Path | None:
        """The file of a config, named without suffix; None if it does not exist."""
        return find_file(self.root / CONFIGS, name)

    def has(self, name: str) -> bool:
        """Whether a config of this name, without suffix, exists."""
        return self.find(name) is not None

    def file(self, name: str, remedy: str = "Name a bundle's folder.") -> Path:
        """
        The file of a config, named without suffix.

        Raises:
            FileNotFoundError: When it does not exist; the message ends with ``remedy``.
        """
        file = self.find(name)
        if file is None:
            there = [file.name for file in list_files(self.root / CONFIGS)]
            where = f" (nor .yaml) in '{self.root}', which has {', '.join(there)}" if there else f" in '{self.root}'"
            raise FileNotFoundError(f"No {CONFIGS}/{name}.json{where}. {remedy}")
        return file

    def files(self) -> list[Path]:
        """All JSON and YAML files in ``configs`` and in its subfolders."""
        configs = self.root / CONFIGS
        return [file for folder in (configs, *sorted(configs.rglob("*/"))) for file in list_files(folder)]

    def names(self) -> list[str]:
        """The names of all configs and overlays, such as ``"methods/logits_kl"``."""
        return [file.relative_to(self.root / CONFIGS).with_suffix("").as_posix() for file in self.files()]

    def config(self, *names: str) -> Config:
        """
        Merge a config and its overlays as MONAI does; names are without suffix, the config's first.

        Raises:
            FileNotFoundError: When one does not exist.
            ValueError: When one cannot be read, or does not fit those before it.
        """
        return read_merged([self.file(name) for name in names])

    @property
    def metadata(self) -> dict[str, Any]:
        """``configs/metadata.json``; empty if it does not exist."""
        file = self.find("metadata")
        return {} if file is None else read_file(file)
