# SPDX-License-Identifier: Apache-2.0
"""A bundle's folder, and what is in its configs."""

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
    A bundle's folder, whose configs are known by name: ``"train"``, ``"methods/logits_kl"``, in JSON or YAML.

    Args:
        root: the folder; need not be a bundle's.

    Example:
        >>> folder = BundleFolder(Path("bundles/breast_ultrasound_segmentation"))
        >>> folder.config("train", "methods/logits_kl")["max_epochs"] > 0, folder.has("trian")
        (True, False)
    """

    root: Path

    def find(self, name: str) -> Path | None:
        """
        The file of a config; None where there is none.

        Args:
            name: without suffix.
        """
        return find_file(self.root / CONFIGS, name)

    def has(self, name: str) -> bool:
        """
        Whether there is a config of this name.

        Args:
            name: without suffix.
        """
        return self.find(name) is not None

    def file(self, name: str, remedy: str = "Name a bundle's folder.") -> Path:
        """
        The file of a config.

        Args:
            name: without suffix.
            remedy: what to do where there is none, for the message.

        Raises:
            FileNotFoundError: When there is none.
        """
        file = self.find(name)
        if file is None:
            there = [file.name for file in list_files(self.root / CONFIGS)]
            where = f" (nor .yaml) in '{self.root}', which has {', '.join(there)}" if there else f" in '{self.root}'"
            raise FileNotFoundError(f"No {CONFIGS}/{name}.json{where}. {remedy}")
        return file

    def files(self) -> list[Path]:
        """All JSON and YAML files in ``configs`` and in the folders there."""
        configs = self.root / CONFIGS
        return [file for folder in (configs, *sorted(configs.rglob("*/"))) for file in list_files(folder)]

    def names(self) -> list[str]:
        """All configs and overlays by name, as ``"methods/logits_kl"``."""
        return [file.relative_to(self.root / CONFIGS).with_suffix("").as_posix() for file in self.files()]

    def config(self, *names: str) -> Config:
        """
        A config and its overlays, merged in MONAI's way.

        Args:
            names: without suffix, the config first.

        Raises:
            FileNotFoundError: When there is none of a name.
            ValueError: When one cannot be read, or does not fit those before it.
        """
        return read_merged([self.file(name) for name in names])

    @property
    def metadata(self) -> dict[str, Any]:
        """``configs/metadata.json``; empty where there is none."""
        file = self.find("metadata")
        return {} if file is None else read_file(file)
