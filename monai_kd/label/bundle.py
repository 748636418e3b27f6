# SPDX-License-Identifier: Apache-2.0
"""The bundle that an app serves and trains, in the app's own folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ComponentLocator, ConfigParser

from monai_kd.utils.atomic_files import read_json

__all__ = ["SETTINGS", "AppBundle"]

SETTINGS = "app"  # configs/app.json: the arguments that the app's networks were trained with


class _Locator(ComponentLocator):
    """Copies the names of the loaded modules in one step, since another request's thread may import one meanwhile."""

    def _find_module_names(self) -> list[str]:
        names = [*sys.modules]
        return [name for name in names if name.startswith(self.MOD_START) and not any(s in name for s in self.excludes)]


@dataclass(frozen=True)
class AppBundle:
    """
    A bundle whose configs make the app's tasks.

    Args:
        root: the bundle's folder.

    Raises:
        FileNotFoundError: When there is no bundle.
        ValueError: From the properties, when a file is not JSON.
    """

    root: Path

    def __post_init__(self) -> None:
        for name in ("inference", "train", "evaluate", "metadata"):
            if not (self.root / "configs" / f"{name}.json").is_file():
                raise FileNotFoundError(
                    f"No configs/{name}.json in '{self.root}'. Name a bundle's folder (label install --bundle); if "
                    "this is an app's, write the app again."
                )

    @property
    def student(self) -> Path:
        """The weights that are served."""
        return self.root / "models" / "model.pt"

    @property
    def teacher(self) -> Path:
        """The teacher's weights."""
        return self.root / "models" / "teacher.pt"

    def parser(self, *names: str, **values: Any) -> ConfigParser:
        """
        A config, its overlays, the app's settings and some values, as ``--config_file "[…]" --id value`` merges them.

        Args:
            names: of files in ``configs``, without ``.json``.
            values: by id, ``__`` standing for ``#``.

        Raises:
            ValueError: When a value, or a text in it, would be taken as a program or a reference.
        """
        _require_plain(values)
        names = (*names, SETTINGS) if (self.root / "configs" / f"{SETTINGS}.json").is_file() else names
        parser = ConfigParser()
        parser.locator = _Locator(excludes=parser.locator.excludes)
        parser.read_config([str(self.root / "configs" / f"{name}.json") for name in names])
        parser["bundle_root"] = str(self.root)
        for key, value in values.items():
            parser[key.replace("__", "#")] = value
        return parser

    @property
    def pathways(self) -> list[str]:
        """The overlays in ``configs/methods`` that change what is distilled and nothing else."""
        overlays = sorted((self.root / "configs" / "methods").glob("*.json"))
        return [path.stem for path in overlays if set(read_json(path)) == {"pathways"}]

    def has(self, overlay: str) -> bool:
        """
        Whether there is a config of this name.

        Args:
            overlay: the name, without ``.json``.
        """
        return (self.root / "configs" / f"{overlay}.json").is_file()

    @property
    def metadata(self) -> dict[str, Any]:
        """``configs/metadata.json``."""
        content: dict[str, Any] = read_json(self.root / "configs" / "metadata.json")
        return content

    @property
    def labels(self) -> dict[str, int]:
        """What the network finds, by name; its output's channels without the background."""
        channels = self.metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        return {name: int(channel) for channel, name in channels.items() if name != "background"}


def _require_plain(value: Any) -> None:
    """What comes from outside must not be evaluated: neither a client's words nor the names of files."""
    if isinstance(value, str) and value[:1] in ("$", "@", "%"):
        raise ValueError(f"{value[:80]!r} begins with {value[0]!r}, as programs in configs do. Rename the file.")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _require_plain(item)
