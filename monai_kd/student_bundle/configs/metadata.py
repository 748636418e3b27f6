# SPDX-License-Identifier: Apache-2.0
"""The metadata of a new bundle, with a record of what the bundle was made from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from monai_kd.student_bundle.teacher.teacher_bundle import TeacherBundle
from monai_kd.utils.digest import sha256

__all__ = ["RECORD", "new_metadata", "record"]

RECORD = "distillation"
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
VERSION = "0.1.0"
UNNAMED = "Not named yet: whoever trained this student"
CREDITS = ("authors", "copyright")  # of the teacher
INHERITED = (
    "task", "data_source", "data_type", "image_classes", "label_classes", "pred_classes",
    "intended_use", "references",
)  # fmt: skip


def record(bundle: TeacherBundle, weights: Path, student: Mapping[str, Any], **arguments: Any) -> dict[str, Any]:
    """
    The record of a bundle: two bundles with the same record are the same.

    ``arguments`` are further arguments of the command.
    """
    teacher = {
        "name": bundle.name,
        "version": str(bundle.metadata.get("version", "")),
        "weights_sha256": sha256(weights),
    }
    configs = {file.name: sha256(file)[:12] for file in bundle.train_files}
    return {"teacher": teacher, "configs": configs, "student": dict(student), **arguments}


def new_metadata(bundle: TeacherBundle, made: Mapping[str, Any]) -> dict[str, Any]:
    """The new bundle's ``metadata.json``, with the :func:`record`."""
    old = bundle.metadata
    network = str(made["student"]["_target_"]).split(".")[-1]
    teacher = f"{bundle.name} {old.get('version', '')}".strip()
    packages = {**old.get("optional_packages_version", {}), **old.get("required_packages_version", {})}
    packages = {name: _installed(name, given) for name, given in packages.items()}
    credits = {key: old[key] for key in CREDITS if key in old}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "changelog": {VERSION: f"{network} distilled from {teacher}"},
        "monai_version": _installed("monai", ""),
        "pytorch_version": _installed("torch", "").split("+")[0],
        "numpy_version": _installed("numpy", ""),
        "required_packages_version": packages,
        "supported_apps": {},
        "name": f"{bundle.name}, distilled",
        "description": f"{network} trained on the labels and on the answers of {teacher}. {old.get('description', '')}",
        "authors": UNNAMED,
        "copyright": UNNAMED,
        "teacher": {"name": teacher, **credits},
        **{key: old[key] for key in INHERITED if key in old},
        "eval_metrics": {},
        "network_data_format": copy.deepcopy(old["network_data_format"]),
        "teacher_data_format": copy.deepcopy(old["network_data_format"]),
        RECORD: dict(made),
    }


def _installed(name: str, otherwise: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return otherwise
