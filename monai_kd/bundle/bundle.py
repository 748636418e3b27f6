# SPDX-License-Identifier: Apache-2.0
"""A bundle's folder and its configs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_files import (
    CONFIGS,
    find_file,
    is_config_file,
    list_files,
    read_any,
    read_file,
    read_merged,
)
from monai_kd.bundle.config_ids import Config, references, texts
from monai_kd.utils.messages import first_few

__all__ = ["BundleFolder", "there_are"]

SHOWN = 12  # names in a message
NOT_CONFIGS = ("metadata",)


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

    def config_names(self) -> list[str]:
        """
        The names of the configs that can be run by themselves.

        Example:
            >>> BundleFolder(Path("bundles/breast_ultrasound_classification")).config_names()
            ['train', 'evaluate', 'inference', 'inference_stock', 'train_student', 'train_teacher']
        """
        found = [file.stem for file in _files(self.root / CONFIGS) if not _open_ids(file)]
        return sorted(found, key=lambda name: (name != "train", name))

    def overlay_names(self) -> dict[str, list[str]]:
        """
        The overlays by their folder; "" is the folder of the configs.

        Example:
            >>> BundleFolder(Path("bundles/breast_ultrasound_classification")).overlay_names()["views"]
            ['plain_teacher', 'shared', 'weak_teacher']
        """
        found = {"": [file.stem for file in _files(self.root / CONFIGS) if _open_ids(file)]}
        for folder in sorted(path for path in (self.root / CONFIGS).iterdir() if path.is_dir()):
            found[folder.name] = [file.stem for file in _files(folder)]
        return {name: names for name, names in found.items() if names}

    def overlay_folder(self, option: str) -> str | None:
        """
        The folder of overlays that an option, such as ``"method"``, names in singular or plural; None if there is none.

        Example:
            >>> folder = BundleFolder(Path("bundles/breast_ultrasound_segmentation"))
            >>> folder.overlay_folder("method"), folder.overlay_folder("views"), folder.overlay_folder("seed")
            ('methods', 'views', None)
        """
        folders = sorted(path for path in (self.root / CONFIGS).iterdir() if path.is_dir())
        named = (folder for folder in folders if option in (folder.name, folder.name.removesuffix("s")))
        return next((folder.name for folder in named if _files(folder)), None)

    def find_config(self, name: str) -> Path:
        """
        The file of a config, by name or path, that can be run by itself.

        Raises:
            FileNotFoundError: When it does not exist.
            ValueError: When it is an overlay.

        Example:
            >>> BundleFolder(Path("bundles/breast_ultrasound_segmentation")).find_config("cached_teacher")
            Traceback (most recent call last):
            ValueError: 'cached_teacher' is an overlay: it has no 'teacher_def'. Write: train --overlay cached_teacher.
        """
        if is_config_file(Path(name)):
            if Path(name).is_file():
                return Path(name)
            raise FileNotFoundError(f"No config '{name}'. Correct the path, or name a config of the bundle.")
        file = self.find(name)
        names = self.config_names()
        if file is None or name in NOT_CONFIGS:
            for folder, overlays in self.overlay_names().items():
                if name in overlays and folder:
                    raise ValueError(f"'{name}' is an overlay. Write: {names[0]} --{folder.removesuffix('s')} {name}.")
            raise FileNotFoundError(f"No config '{name}' in '{self.root}'. {there_are(name, names)}")
        if name not in names:
            missing = _open_ids(file)[0]
            raise ValueError(f"'{name}' is an overlay: it has no '{missing}'. Write: {names[0]} --overlay {name}.")
        return file

    def find_overlay(self, name: str, folder: str = "") -> Path:
        """
        The file of an overlay by its name (also ``views/shared``) or path; ``folder`` "" is the folder of the configs.

        Raises:
            FileNotFoundError: When it does not exist.

        Example:
            >>> BundleFolder(Path("bundles/breast_ultrasound_segmentation")).find_overlay("logits_lk", "methods")
            Traceback (most recent call last):
            FileNotFoundError: No 'logits_lk' in 'methods' of the bundle. Closest: 'logits_kl'.
        """
        if is_config_file(Path(name)):
            if Path(name).is_file():
                return Path(name)
            raise FileNotFoundError(f"No overlay '{name}'. Correct the path.")
        file = find_file(self.root / CONFIGS / folder, name)
        if file is not None and (folder or "/" in name or name in self.overlay_names().get("", [])):
            return file
        there = self.overlay_names()
        names = list(there.get(folder, []))
        if not folder:
            names += [f"{kind}/{one}" for kind, ones in there.items() for one in ones if kind]
        where = f"in '{folder}' of the bundle" if folder else "among the bundle's overlays"
        raise FileNotFoundError(f"No '{name}' {where}. {there_are(name, names)}")


def there_are(name: str, names: Iterable[str]) -> str:
    """What to say of the names that there are, where ``name`` is none of them: the closest, or the first few."""
    names = list(names)
    begun = [one for one in names if name and one.startswith(name)]
    near = begun or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"Closest: '{near[0]}'."
    more = ", which 'run' without a config lists" if len(names) > SHOWN else ""
    return f"Choose from {first_few(names, SHOWN)}{more}." if names else "None exists here."


def _files(folder: Path) -> list[Path]:
    files = [path for path in list_files(folder) if path.stem not in NOT_CONFIGS]
    return [path for path in files if not isinstance(read_any(path), list)]  # a list of images or splits is data


def _open_ids(file: Path) -> list[str]:
    """What an overlay leaves to other files: ids that it uses or sets inside, or a program to run."""
    config: Mapping[str, Any] = read_file(file)
    programs = [text for text in texts(config) if text.startswith(("$", "@"))]
    used = [name.split("#")[0] for name in references(programs)]
    changed = [key.removeprefix("+").split("#")[0] for key in config if "#" in key or key.startswith("+")]
    open_ids = [name for name in (*used, *changed) if name not in config]
    return open_ids if open_ids or any(_is_program(key, node) for key, node in config.items()) else ["run"]


def _is_program(key: str, node: Any) -> bool:
    lines = node if isinstance(node, list) and key not in ("imports", "initialize") else []
    return bool(lines) and all(isinstance(line, str) and line.startswith("$") for line in lines)
