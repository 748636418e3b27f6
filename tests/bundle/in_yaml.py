# SPDX-License-Identifier: Apache-2.0
"""A bundle whose configs are YAML."""

import shutil
from pathlib import Path

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import read_file, write_config


def in_yaml(bundle: Path, folder: Path) -> Path:
    """A copy of a bundle with the same name, without weights, and with every config in YAML."""
    copy = shutil.copytree(bundle, folder / bundle.name, ignore=shutil.ignore_patterns("models", "runs", "__pycache__"))
    for file in BundleFolder(copy).files():
        write_config(file.with_suffix(".yaml"), read_file(file))
        file.unlink()
    return copy
