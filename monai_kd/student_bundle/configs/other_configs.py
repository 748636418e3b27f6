# SPDX-License-Identifier: Apache-2.0
"""Adapt the teacher's other configs to the student: inference, evaluation, several processes, and the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_kd.bundle.config_files import CONFIGS, is_config_file, list_files, read_any, read_file
from monai_kd.bundle.config_ids import Config, component_ids, find, texts
from monai_kd.student_bundle.config_parts import components, lines_of, name_run
from monai_kd.student_bundle.configs.safeguards import ONCE, count_images, safe_overlay, safe_reading
from monai_kd.student_bundle.configs.train_config import put_student, with_resume_handlers
from monai_kd.student_bundle.student_weights import STUDENT, load_student
from monai_kd.student_bundle.teacher.monai_ids import name_parts, renamed_overlay
from monai_kd.student_bundle.teacher.teacher_bundle import TRAINER, TeacherBundle

__all__ = ["inference_config", "other_files", "overlays", "unreadable"]

OWN = ("metadata", "train", "inference")
NEEDED = (*OWN, "evaluate")
PROGRAMS = ("imports", "initialize", "run", "finalize")
EVALUATIONS = ("evaluate", "test")
EVALUATOR = "validate#evaluator"  # the training's engine, which the evaluation overlay runs


def inference_config(bundle: TeacherBundle, student: Mapping[str, Any]) -> Config:
    """The teacher's inference config with the student as network."""
    config = copy.deepcopy(bundle.inference)
    name_parts(config)
    put_student(config, bundle.inference_network, student)
    load_student(config, config, "evaluator", str(bundle.inference_file))
    safe_reading(config, config, is_stock=True)
    return config


def overlays(bundle: TeacherBundle, student: Mapping[str, Any], train: Config) -> tuple[dict[str, Config], list[str]]:
    """
    The teacher's further configs, adapted to the student.

    Returns:
        The configs by name, and the names of configs that were left out because they define their own network or
        training.
    """
    kept, left_out = {}, []
    for file in _others(bundle):
        config = read_file(file)
        evaluated = component_ids(config, "evaluator#network")
        if len(evaluated) == 1 and file.stem.startswith(EVALUATIONS):
            name_parts(config)
            put_student(config, evaluated[0], student)
            load_student(config, config, "evaluator", str(file))
            count_images(config, "evaluator")
            safe_reading(config, config)
        elif find(config, "network_def") is not None or isinstance(find(config, TRAINER), dict):
            left_out.append(file.name)
            continue
        else:
            config = _laid_over(renamed_overlay(config, bundle.renamed), file, train)
        kept[file.stem] = config
    if "evaluate" not in kept and "test" in kept:
        kept["evaluate"] = kept.pop("test")
    if "evaluate" not in kept and find(train, f"{EVALUATOR}#key_val_metric"):
        kept["evaluate"] = _laid_over(_evaluation(), Path("evaluate.json"), train)
    return kept, left_out


def _evaluation() -> Config:
    """An overlay that validates the student's weights, for a teacher's bundle that has none."""
    saver = {"_target_": "MetricsSaver", "save_dir": "@output_dir", "metrics": "*"}
    return {
        f"{EVALUATOR}#val_handlers": [f"@{ONCE}", {"_target_": "StatsHandler", "iteration_log": False}, saver],
        "run": [f"$@{EVALUATOR}.run()"],
    }


def _laid_over(config: Config, file: Path, train: Config) -> Config:
    """An overlay of the training. A loader of weights in it loads the student's file, or is switched off."""
    name_run(config)
    if "imports" in config:  # which would take the place of the training's
        own = lines_of(train, "imports")
        config["imports"] = [*own, *(line for line in lines_of(config, "imports") if line not in own)]
    _drop_unused(config, train)
    reads = any(word in file.stem for word in ("eval", "infer", "test"))
    if file.stem == "evaluate" or (reads and any(components(config, "CheckpointLoader"))):
        load_student(config, train, EVALUATOR, str(file))
    if file.stem == "evaluate":
        safe_reading(config, train)
    else:
        safe_overlay(config, reads)
    for loader in components(config, "CheckpointLoader"):
        loader |= {} if loader["load_path"] == f"@{STUDENT}" else {"_disabled_": True}
    return _with_own_handlers(config, train)


def _drop_unused(config: Config, train: Config) -> None:
    """Remove programs of an overlay that its own run does not use, such as a download; a run refuses such ids."""
    words = " ".join([*texts(config), *texts(train)])
    for name in [name for name in config if "#" not in name and "::" not in name]:
        if name not in train and name not in PROGRAMS and f"@{name}" not in words:
            del config[name]


def other_files(bundle: TeacherBundle) -> list[Path]:
    """Files of the teacher's ``configs`` that are not configs: lists of images, logging, and unreadable files."""
    files = [file for file in (bundle.root / CONFIGS).iterdir() if file.is_file()]
    return sorted(file for file in files if not is_config_file(file) or _is_data(file))


def unreadable(bundle: TeacherBundle) -> list[str]:
    """Sentences about files of the teacher's ``configs`` that cannot be read and that nothing needs."""
    troubles = [_trouble(file) for file in other_files(bundle)]
    return [f"{trouble} It is copied as it is." for trouble in troubles if trouble]


def _others(bundle: TeacherBundle) -> list[Path]:
    used = {*bundle.train_files, bundle.inference_file}
    files = [file for file in list_files(bundle.root / CONFIGS) if file not in used and file.stem not in OWN]
    return [file for file in files if not _is_data(file)]


def _is_data(file: Path) -> bool:
    """Whether a file is data, such as a list of images (Decathlon): names and values, but none of a config."""
    if file.stem in NEEDED:
        return False
    if _trouble(file):
        return True
    config = read_any(file)
    if not isinstance(config, dict):
        return True
    lists = [config.get(key) for key in ("training", "validation", "test", "testing")]
    return any(isinstance(entries, list) and entries and isinstance(entries[0], dict) for entries in lists)


def _trouble(file: Path) -> str:
    try:
        _ = read_any(file) if is_config_file(file) else None
    except (ValueError, ImportError) as error:
        return str(error)
    return ""


def _with_own_handlers(config: Config, train: Config) -> Config:
    """Keep the new bundle's handlers in an overlay that replaces those of the trainer or of the validation."""
    for name, node in list(config.items()):
        place = name.replace("::", "#")
        if place == f"{TRAINER}#train_handlers":
            config[name] = with_resume_handlers(node)
        elif place == f"{EVALUATOR}#val_handlers" and ONCE in train and f"@{ONCE}" not in texts(node):
            own = f"@{ONCE}"
            config[name] = [own, *node] if isinstance(node, list) else f"$[{own}] + list({str(node).removeprefix('$')})"
    return config
