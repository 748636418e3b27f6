# SPDX-License-Identifier: Apache-2.0
"""An app's folder: the bundle, its networks' weights, and the few lines that MONAI Label looks for."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_files import CONFIGS, write_config
from monai_kd.bundle.config_ids import set_values
from monai_kd.label.bundle import SETTINGS, AppBundle
from monai_kd.teachers import load_weights
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.distinct_paths import require_outside

__all__ = ["install"]

MAIN = '''"""MONAI Label's entrance. Start: python -m monai_kd label start THIS_FOLDER --studies IMAGES"""

from monai_kd.label.app import DistillationApp

__all__ = ["DistillationApp"]
'''

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def install(
    dest: Path, bundle: Path, student: Path | None = None, teacher: Path | None = None, **settings: Any
) -> AppBundle:
    """
    Write an app that MONAI Label can start: ``main.py``, ``requirements.txt`` and ``bundle/``, a copy that trainings
    change.

    Args:
        dest: the folder; must not exist or be empty.
        bundle: the bundle to serve.
        student: the weights to serve; None takes the bundle's ``models/model.pt``.
        teacher: the teacher's; None takes the bundle's ``models/teacher.pt``. Where there is none, the app serves the
            student, and cannot train it or compare it with a teacher.
        settings: the arguments that the networks were trained with, by id: ``student_channels``, ``spatial_size`` …

    Returns:
        The app's bundle.

    Raises:
        FileNotFoundError: When the bundle or the weights are not there.
        ValueError: When ``dest`` is in use or in the bundle, a setting is none of the bundle's, or weights are those of
            other networks.
    """
    source = AppBundle(bundle)
    require_outside("The app's folder", dest, {"the bundle": bundle})
    _check_settings(source, settings)
    with atomic_folder(dest) as app:
        copy = app / "bundle"
        ignored = shutil.ignore_patterns("models", "runs", "data", "studies", "__pycache__", ".*")
        shutil.copytree(bundle, copy, ignore=ignored)
        write_config(copy / CONFIGS / f"{SETTINGS}.json", settings)
        made = AppBundle(copy)
        made.student.parent.mkdir()
        for given, own, there, names in (
            (student, source.student, made.student, ("inference",)),
            (teacher, source.teacher, made.teacher, ("inference", "teacher")),
        ):
            if given is None and own == source.teacher and not own.is_file():
                continue
            load_weights(made.parser(*names).get_parsed_content("network_def"), given or own)
            shutil.copyfile(given or own, there)
        (app / "main.py").write_text(MAIN, encoding="utf-8")
        shutil.copyfile(REQUIREMENTS, app / REQUIREMENTS.name)
    return AppBundle(dest / "bundle")


def _check_settings(bundle: AppBundle, settings: Mapping[str, Any]) -> None:
    configs = [bundle.parser(*names).get() for names in (["train"], ["inference", "teacher"])]
    set_values(copy.deepcopy(configs), settings, "the bundle's configs")
