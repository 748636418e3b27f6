# SPDX-License-Identifier: Apache-2.0
"""Bundles by short names."""

from __future__ import annotations

from pathlib import Path

from monai_kd.bundle.bundle import there_are
from monai_kd.bundle.config_files import CONFIGS
from monai_kd.bundle.shipped import shipped_bundles

__all__ = ["bundles", "find_bundle", "find_path"]


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
    A bundle's folder, or a file in it: ``NAME/…`` and ``bundles/NAME/…`` may be of a bundle that came with the package.

    Args:
        path: what is in the working folder comes first.

    Returns:
        Where it is; the path itself where there is no such file.

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
    A bundle's folder.

    Args:
        name: a path to it, or its name: in the working folder, in ``./bundles``, or of one that came with the package.

    Raises:
        FileNotFoundError: When there is none.

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
        raise FileNotFoundError(f"'{name}' is no bundle: it has no folder '{CONFIGS}'. {there_are(str(name), known)}")
    raise FileNotFoundError(f"No bundle '{name}'. {there_are(path.name, known)}")
