# SPDX-License-Identifier: Apache-2.0
"""The bundle that an app serves and trains, in the app's own folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ComponentLocator, ConfigParser

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import CONFIGS, list_files, read_file

__all__ = ["SETTINGS", "AppBundle"]

SETTINGS = "app"  # configs/app.json: the arguments of the app's networks' training
REMEDY = "Name a bundle's folder (label install --bundle); if this is an app's, write the app again."


class _Locator(ComponentLocator):
    """Copies the names of loaded modules in one step, because another request's thread may import one meanwhile."""

    def _find_module_names(self) -> list[str]:
        names = [*sys.modules]
        return [name for name in names if name.startswith(self.MOD_START) and not any(s in name for s in self.excludes)]


@dataclass(frozen=True)
class AppBundle(BundleFolder):
    """A bundle whose configs define the app's tasks; FileNotFoundError where a config is missing."""

    def __post_init__(self) -> None:
        for name in ("inference", "train", "evaluate", "metadata"):
            self.file(name, REMEDY)

    @property
    def student(self) -> Path:
        """The weights in service."""
        return self.root / "models" / "model.pt"

    @property
    def teacher(self) -> Path:
        """The teacher's weights."""
        return self.root / "models" / "teacher.pt"

    def parser(self, *names: str, **values: Any) -> ConfigParser:
        """
        A config with overlays, the app's settings and some values, merged as by ``--config_file "[…]" --id value``.

        Args:
            names: files in ``configs``, without suffix.
            values: by id, with ``__`` for ``#``.

        Raises:
            ValueError: When a text in a value would be evaluated as a program or a reference.
        """
        _require_plain(values)
        names = (*names, SETTINGS) if self.has(SETTINGS) else names
        parser = ConfigParser({**self.config(*names), "bundle_root": str(self.root)})
        parser.locator = _Locator(excludes=parser.locator.excludes)
        for key, value in values.items():
            parser[key.replace("__", "#")] = value
        return parser

    @property
    def pathways(self) -> list[str]:
        """The overlays in ``configs/methods`` that change only the pathways."""
        overlays = list_files(self.root / CONFIGS / "methods")
        return [file.stem for file in overlays if set(read_file(file)) == {"pathways"}]

    @property
    def labels(self) -> dict[str, int]:
        """The channels of the network's output by label name, without the background."""
        channels = self.metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        return {name: int(channel) for channel, name in channels.items() if name != "background"}


def _require_plain(value: Any) -> None:
    """Refuse texts that a config would evaluate, in clients' requests or file names."""
    if isinstance(value, str) and value[:1] in ("$", "@", "%"):
        raise ValueError(f"{value[:80]!r} begins with {value[0]!r}, as programs in configs do. Rename the file.")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _require_plain(item)
