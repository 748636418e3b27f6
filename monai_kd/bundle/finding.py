# SPDX-License-Identifier: Apache-2.0
"""Find bundles, configs and overlays by short names."""

from __future__ import annotations

from pathlib import Path

from monai_kd.bundle.bundle import there_are
from monai_kd.bundle.config_files import CONFIGS
from monai_kd.bundle.shipped_bundles import shipped_bundles

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
        near = there_are(str(name), known)
        raise FileNotFoundError(f"'{name}' is not a bundle: it has no folder '{CONFIGS}'. {near}")
    raise FileNotFoundError(f"No bundle '{name}'. {there_are(path.name, known)}")
