# SPDX-License-Identifier: Apache-2.0
"""The teacher's own configs without its weights, to find out whether a failure is the teacher's."""

from __future__ import annotations

import copy
from pathlib import Path

from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import read_file
from monai_kd.bundle.config_ids import Config
from monai_kd.student_bundle.config_parts import components, lines_of, name_run
from monai_kd.student_bundle.teacher.monai_ids import renamed_overlay
from monai_kd.student_bundle.teacher.teacher_bundle import TeacherBundle

__all__ = ["stock_config"]

LOADER = "CheckpointLoader"


def stock_config(bundle: TeacherBundle, what: str) -> Config | None:
    """
    The teacher's own config for a step ("training …", "evaluation" or "inference") that fails in the new bundle.

    No weights are loaded, because they may lie elsewhere. None if the bundle has no such config.
    """
    if what.startswith("training"):
        config = copy.deepcopy(bundle.train)
    elif what == "inference":
        config = copy.deepcopy(bundle.inference)
    else:
        folder = BundleFolder(bundle.root)
        file = folder.find("evaluate") or folder.find("test")
        if file is None:
            return None
        own = read_file(file)
        config = own if "network_def" in own else _merged(bundle, file)
    name_run(config)
    _without_weights(config)
    return config


def _merged(bundle: TeacherBundle, file: Path) -> Config:
    overlay = renamed_overlay(read_file(file), bundle.renamed)
    name_run(overlay)
    parser = ConfigParser(copy.deepcopy(bundle.train))
    for key, value in overlay.items():
        merge_kv(parser, key, value)
    return dict(parser.get())


def _without_weights(config: Config) -> None:
    loaders = [name for name, node in config.items() if isinstance(node, dict) and any(components(node, LOADER))]
    for loader in components(config, LOADER):
        loader["_disabled_"] = True
    for name in ("initialize", "run"):
        config[name] = [
            line for line in lines_of(config, name) if not any(f"@{loader}(" in str(line) for loader in loaders)
        ]
