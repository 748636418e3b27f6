# SPDX-License-Identifier: Apache-2.0
"""The metadata of a new bundle, with a record of what the bundle was made from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from monai_kd.student_bundle.teacher.data_format import DataFormat
from monai_kd.student_bundle.teacher.teacher_bundle import TeacherBundle
from monai_kd.utils.digest import sha256

__all__ = ["RECORD", "new_metadata", "record"]

RECORD = "distillation"
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
VERSION = "0.1.0"
UNNAMED = "Not named yet: whoever trained this student"
CREDITS = ("authors", "copyright")  # of the teacher
CLASSES = ("label_classes", "pred_classes")
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


def new_metadata(bundle: TeacherBundle, made: Mapping[str, Any], data_format: DataFormat) -> dict[str, Any]:
    """The new bundle's ``metadata.json``, with the :func:`record`; ``data_format`` is the student's."""
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
        **({} if data_format == bundle.format else {key: _named(data_format) for key in CLASSES if key in old}),
        "network_data_format": _network_data_format(old, data_format),
        "teacher_data_format": copy.deepcopy(old["network_data_format"]),
        RECORD: dict(made),
    }


def _network_data_format(old: Mapping[str, Any], data_format: DataFormat) -> dict[str, Any]:
    described: dict[str, Any] = copy.deepcopy(old["network_data_format"])
    (output,) = described["outputs"].values()
    if data_format.out_channels != int(output["num_channels"]):
        last = data_format.out_channels - 1 if data_format.classes.get(0) == "background" else 1
        output |= {"num_channels": data_format.out_channels, "value_range": [0, last]}
        output["channel_def"] = {str(channel): name for channel, name in data_format.classes.items()}
    return described


def _named(data_format: DataFormat) -> str:
    return ", ".join(f"{channel} is {name}" for channel, name in data_format.classes.items())


def _installed(name: str, otherwise: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return otherwise
