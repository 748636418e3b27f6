# SPDX-License-Identifier: Apache-2.0
"""A student's training that takes the teacher's answers from files, or asks the teacher at every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_kd.bundle.config_ids import Config, find

__all__ = ["live_answers", "store_answers"]

FOLDER = "soft_target_dir"
KEY = "soft_target"
FILL = "$@soft_targets.fill(@train#dataset#data, @case_preprocessing, @teacher, @validate#inferer, @device)"


def store_answers(config: Config) -> None:
    """
    Let the teacher run once on each training case, before the training; nothing is changed without that folder's id.

    Args:
        config: of the student's training, changed in place.
    """
    if FOLDER not in config:
        return
    inferer = find(config, "validate#inferer")
    config |= {
        "soft_targets": {
            "_target_": "monai_kd.teachers.SoftTargets",
            "folder": f"@{FOLDER}",
            "weights": "@teacher_checkpoint",
            "settings": {
                "preprocessing": _plans(config),
                "roi_size": inferer["roi_size"],
                "overlap": inferer["overlap"],
                **({"classes": "@teacher_classes"} if "teacher_classes" in config else {}),
            },
            "mirror_axes": "@mirror_axes",
        },
        "stored_teacher": {"_target_": "monai_kd.teachers.StoredTeacher"},
        "case_preprocessing": {"_target_": "Compose", "transforms": "@train#deterministic_transforms"},
        "load_soft_targets": [{"_target_": "monai_kd.teachers.LoadSoftTargetd", "soft_targets": "@soft_targets"}],
        "fill_soft_targets": FILL,
        "spatial_keys": [*config["spatial_keys"], KEY],
    }
    transforms = find(config, "train#preprocessing")
    transforms["transforms"] = "$@train#deterministic_transforms + @load_soft_targets + @train#random_transforms"
    trainer = find(config, "train#trainer")
    trainer |= {"teacher": "@stored_teacher", "teacher_image": KEY}
    config["initialize"] = [*config["initialize"], "@fill_soft_targets"]


def live_answers(config: Mapping[str, Any]) -> dict[str, Any]:
    """
    What an overlay of such a training must say to run the teacher at every step, as comparing its layers does.

    Args:
        config: of the student's training.
    """
    if FOLDER not in config:
        return {}
    return {
        "train#trainer#teacher": "@teacher",
        "train#trainer#teacher_image": None,
        "load_soft_targets": [],
        "fill_soft_targets": None,
        "spatial_keys": [key for key in config["spatial_keys"] if key != KEY],
    }


def _plans(config: Config) -> dict[str, Any]:
    """The preprocessing without what the config's parser would take for a component."""
    (step,) = (
        step
        for step in find(config, "train#deterministic_transforms")
        if str(step["_target_"]).endswith("NnUnetPreprocessd")
    )
    return {key: value for key, value in step.items() if key in ("spacing", "transpose", "normalization")}
