# SPDX-License-Identifier: Apache-2.0
"""The bundles that came with the package. Runs never write into an installed bundle, but into a copy."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import monai_kd
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.distinct_paths import is_installed

__all__ = ["copy_bundle", "shipped_bundles", "writes_into_package"]


def shipped_bundles() -> Path:
    """The folder of these bundles: inside the package, or next to it in a checkout."""
    package = Path(monai_kd.__file__).parent
    inside = package / "bundles"
    return inside if inside.is_dir() else package.parent / "bundles"


def copy_bundle(bundle: Path, dest: Path) -> None:
    """
    Copy a bundle with its weights to ``dest``, which must not exist.

    Raises:
        ValueError: When ``dest`` exists or cannot be written.
    """
    ignored = shutil.ignore_patterns("runs", "data", "__pycache__", ".*")
    with atomic_folder(dest) as temporary:
        shutil.copytree(bundle, temporary, ignore=ignored, dirs_exist_ok=True)


def writes_into_package(bundle: Path, arguments: Mapping[str, Any]) -> bool:
    """
    Whether a run's ``output_dir`` or output files, by its arguments of ``monai.bundle.run``, lie in an installed
    bundle."""
    if not is_installed(bundle):
        return False
    from monai.bundle import ConfigParser

    from monai_kd.bundle.config_files import read_file

    settings = read_file(arguments["args_file"]) if "args_file" in arguments else {}
    parser = ConfigParser()
    parser.read_config(arguments["config_file"])
    parser.update({key: value for key, value in {**settings, **arguments}.items() if key in parser})
    made = [parser.get_parsed_content(key) for key in ("output_dir", "output_files") if key in parser]
    places = [place for one in made for place in (one.values() if isinstance(one, dict) else [one])]
    return any(is_installed(place) for place in places)
