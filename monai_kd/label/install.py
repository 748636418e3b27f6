# SPDX-License-Identifier: Apache-2.0
"""Writing of an app's folder: the bundle, its networks' weights, and MONAI Label's ``main.py``."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_files import CONFIGS, write_config
from monai_kd.bundle.config_ids import set_values
from monai_kd.bundle.record import NETWORK, load_record, recorded_settings
from monai_kd.label.bundle import SETTINGS, AppBundle
from monai_kd.teachers import load_weights
from monai_kd.utils.atomic_files import atomic_folder
from monai_kd.utils.distinct_paths import require_outside

__all__ = ["install"]

MAIN = '''"""MONAI Label's entrance. Start: python -m monai_kd label start THIS_FOLDER --studies IMAGES"""

from monai_kd.label.app import DistillationApp

__all__ = ["DistillationApp"]
'''

TEACHER = "teacher_def"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def install(
    dest: Path, bundle: Path, student: Path | None = None, teacher: Path | None = None, **settings: Any
) -> AppBundle:
    """
    Write an app that MONAI Label can start: ``main.py``, ``requirements.txt``, and a copy of the bundle for trainings.

    Args:
        dest: folder of the app; must be empty or not exist.
        student: weights to serve; None for the bundle's ``models/model.pt``.
        teacher: the teacher's weights; None for the bundle's ``models/teacher.pt``. Without them the app only serves
            the student: it cannot train it or compare it with a teacher.
        settings: the arguments of the networks' training, by id: ``student_channels``, ``spatial_size`` … Checkpoints
            with a record need none.

    Raises:
        FileNotFoundError: When the bundle or the weights do not exist.
        ValueError: When ``dest`` is in use or in the bundle, the bundle does not have a setting, or weights belong to
            other networks.
    """
    source = AppBundle(bundle)
    require_outside("The app's folder", dest, {"the bundle": bundle})
    _check_settings(source, settings)
    with atomic_folder(dest) as app:
        copy = app / "bundle"
        ignored = shutil.ignore_patterns("models", "runs", "data", "studies", "__pycache__", ".*")
        shutil.copytree(bundle, copy, ignore=ignored)
        values = dict(settings)
        write_config(copy / CONFIGS / f"{SETTINGS}.json", values)
        made = AppBundle(copy)
        made.student.parent.mkdir()
        for given, own, there, names, network in (
            (student, source.student, made.student, ("inference",), NETWORK),
            (teacher, source.teacher, made.teacher, ("inference", "teacher"), TEACHER),
        ):
            if given is None and own == source.teacher and not own.is_file():
                continue
            values |= _recorded(made.parser(*names).get(), given or own, network, settings, source)
            write_config(copy / CONFIGS / f"{SETTINGS}.json", values)
            load_weights(made.parser(*names).get_parsed_content("network_def"), given or own)
            shutil.copyfile(given or own, there)
        (app / "main.py").write_text(MAIN, encoding="utf-8")
        shutil.copyfile(REQUIREMENTS, app / REQUIREMENTS.name)
    return AppBundle(dest / "bundle")


def _recorded(
    config: dict[str, Any], weights: Path, network: str, settings: Mapping[str, Any], source: AppBundle
) -> dict[str, Any]:
    """The settings that the record of the weights says."""
    if not weights.is_file():
        return {}
    found = recorded_settings(config, weights, network, settings, source.root / CONFIGS)
    inside = [name for name in found if name.startswith(f"{network}#")]
    # The whole definition, because some of the app's configs have no such network.
    whole = {network: (load_record(weights) or {})[NETWORK]} if inside else {}
    return {name: value for name, value in found.items() if name not in inside} | whole


def _check_settings(bundle: AppBundle, settings: Mapping[str, Any]) -> None:
    configs = [bundle.parser(*names).get() for names in (["train"], ["inference", "teacher"])]
    set_values(copy.deepcopy(configs), settings, "the bundle's configs")
