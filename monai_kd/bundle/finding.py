# SPDX-License-Identifier: Apache-2.0
"""Find bundles, configs and overlays by short names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_files import CONFIGS, find_file, is_config_file, list_files, read_any, read_file
from monai_kd.bundle.config_ids import references, texts
from monai_kd.bundle.shipped_bundles import shipped_bundles

__all__ = [
    "bundles",
    "config_names",
    "find_bundle",
    "find_config",
    "find_overlay",
    "find_path",
    "overlay_folder",
    "overlay_names",
]

SHOWN = 12  # names that a message lists at most
NOT_CONFIGS = ("metadata",)


def bundles() -> dict[str, Path]:
    """
    Bundles by name: those in ``./bundles``, and those that came with the package.

    Example:
        >>> sorted(bundles())
        ['breast_ultrasound_classification', 'breast_ultrasound_segmentation']
    """
    found: dict[str, Path] = {}
    for folder in (Path("bundles"), shipped_bundles()):
        for path in sorted(folder.glob(f"*/{CONFIGS}")):
            found.setdefault(path.parent.name, path.parent)
    return found


def find_path(path: str | Path) -> Path:
    """
    A bundle's folder or a file in it; ``NAME/…`` and ``bundles/NAME/…`` may lie in a bundle that came with the package.

    A path that exists in the working folder comes first. If nothing exists, the path itself is returned.

    Example:
        >>> find_path("bundles/breast_ultrasound_segmentation/studies/paper.yaml").is_file(), find_path("nowhere")
        (True, PosixPath('nowhere'))
    """
    path = Path(path)
    parts = path.parts[1:] if path.parts[:1] == ("bundles",) else path.parts
    root = bundles().get(parts[0]) if parts else None
    found = path if path.exists() or root is None else root.joinpath(*parts[1:])
    return found if found.exists() else path


def find_bundle(name: str | Path) -> Path:
    """
    A bundle's folder by its path or name: in the working folder, in ``./bundles``, or among those of the package.

    Raises:
        FileNotFoundError: When it does not exist.

    Example:
        >>> find_bundle("breast_ultrasound_segmentatoin")
        Traceback (most recent call last):
        FileNotFoundError: No bundle 'breast_ultrasound_segmentatoin'. Closest: 'breast_ultrasound_segmentation'.
    """
    path, known = find_path(name), bundles()
    if (path / CONFIGS).is_dir():
        return path
    if str(name) in known:
        return known[str(name)]
    if path.is_dir():
        raise FileNotFoundError(f"'{name}' is not a bundle: it has no folder '{CONFIGS}'. {_there(str(name), known)}")
    raise FileNotFoundError(f"No bundle '{name}'. {_there(path.name, known)}")


def config_names(bundle: Path) -> list[str]:
    """
    The names of a bundle's configs that can be run by themselves.

    Example:
        >>> config_names(find_bundle("breast_ultrasound_classification"))
        ['train', 'evaluate', 'inference', 'inference_stock', 'train_student', 'train_teacher']
    """
    found = [file.stem for file in _files(bundle / CONFIGS) if not _open_ids(file)]
    return sorted(found, key=lambda name: (name != "train", name))


def overlay_names(bundle: Path) -> dict[str, list[str]]:
    """
    A bundle's overlays by their folder; "" is the folder of the configs.

    Example:
        >>> overlay_names(find_bundle("breast_ultrasound_classification"))["views"]
        ['plain_teacher', 'shared', 'weak_teacher']
    """
    found = {"": [file.stem for file in _files(bundle / CONFIGS) if _open_ids(file)]}
    for folder in sorted(path for path in (bundle / CONFIGS).iterdir() if path.is_dir()):
        found[folder.name] = [file.stem for file in _files(folder)]
    return {name: names for name, names in found.items() if names}


def overlay_folder(bundle: Path, option: str) -> str | None:
    """
    The folder of overlays that an option, such as ``"method"``, names in the singular or plural; None if there is none.

    Example:
        >>> bundle = find_bundle("breast_ultrasound_segmentation")
        >>> overlay_folder(bundle, "method"), overlay_folder(bundle, "views"), overlay_folder(bundle, "seed")
        ('methods', 'views', None)
    """
    return next((name for name in overlay_names(bundle) if name and option in (name, name.removesuffix("s"))), None)


def find_config(bundle: Path, name: str) -> Path:
    """
    The file of a config, by name or path, that can be run by itself.

    Raises:
        FileNotFoundError: When it does not exist.
        ValueError: When it is an overlay.

    Example:
        >>> find_config(find_bundle("breast_ultrasound_segmentation"), "cached_teacher")
        Traceback (most recent call last):
        ValueError: 'cached_teacher' is an overlay: it has no 'teacher_def'. Write: train --overlay cached_teacher.
    """
    if is_config_file(Path(name)):
        if Path(name).is_file():
            return Path(name)
        raise FileNotFoundError(f"No config '{name}'. Correct the path, or name a config of the bundle.")
    file = find_file(bundle / CONFIGS, name)
    names = config_names(bundle)
    if file is None or name in NOT_CONFIGS:
        for folder, overlays in overlay_names(bundle).items():
            if name in overlays and folder:
                raise ValueError(f"'{name}' is an overlay. Write: {names[0]} --{folder.removesuffix('s')} {name}.")
        raise FileNotFoundError(f"No config '{name}' in '{bundle}'. {_there(name, names)}")
    if name not in names:
        missing = _open_ids(file)[0]
        raise ValueError(f"'{name}' is an overlay: it has no '{missing}'. Write: {names[0]} --overlay {name}.")
    return file


def find_overlay(bundle: Path, name: str, folder: str = "") -> Path:
    """
    The file of an overlay by its name (also ``views/shared``) or path; ``folder`` "" is the folder of the configs.

    Raises:
        FileNotFoundError: When it does not exist.

    Example:
        >>> find_overlay(find_bundle("breast_ultrasound_segmentation"), "logits_lk", "methods")
        Traceback (most recent call last):
        FileNotFoundError: No 'logits_lk' in 'methods' of the bundle. Closest: 'logits_kl'.
    """
    if is_config_file(Path(name)):
        if Path(name).is_file():
            return Path(name)
        raise FileNotFoundError(f"No overlay '{name}'. Correct the path.")
    file = find_file(bundle / CONFIGS / folder, name)
    if file is not None and (folder or "/" in name or name in overlay_names(bundle).get("", [])):
        return file
    there = overlay_names(bundle)
    names = list(there.get(folder, []))
    if not folder:
        names += [f"{kind}/{one}" for kind, ones in there.items() for one in ones if kind]
    where = f"in '{folder}' of the bundle" if folder else "among the bundle's overlays"
    raise FileNotFoundError(f"No '{name}' {where}. {_there(name, names)}")


def _there(name: str, names: Iterable[str]) -> str:
    names = list(names)
    begun = [one for one in names if name and one.startswith(name)]
    near = begun or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"Closest: '{near[0]}'."
    more = f" and {len(names) - SHOWN} more, which 'run' without a config lists" if len(names) > SHOWN else ""
    return f"There are {', '.join(names[:SHOWN])}{more}." if names else "There are none here."


def _files(folder: Path) -> list[Path]:
    files = [path for path in list_files(folder) if path.stem not in NOT_CONFIGS]
    return [path for path in files if not isinstance(read_any(path), list)]  # a list of images or splits is data


def _open_ids(file: Path) -> list[str]:
    """
    What an overlay needs from other files: ids that it uses or changes, or a program to run. Empty for a whole config.
    """
    config: Mapping[str, Any] = read_file(file)
    programs = [text for text in texts(config) if text.startswith(("$", "@"))]
    used = [name.split("#")[0] for name in references(programs)]
    changed = [key.removeprefix("+").split("#")[0] for key in config if "#" in key or key.startswith("+")]
    open_ids = [name for name in (*used, *changed) if name not in config]
    return open_ids if open_ids or any(_is_program(key, node) for key, node in config.items()) else ["run"]


def _is_program(key: str, node: Any) -> bool:
    lines = node if isinstance(node, list) and key not in ("imports", "initialize") else []
    return bool(lines) and all(isinstance(line, str) and line.startswith("$") for line in lines)
