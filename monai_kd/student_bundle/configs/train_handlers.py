# SPDX-License-Identifier: Apache-2.0
"""Adapt a training's handlers: they log every loss term, write checkpoints atomically, and resume a killed run."""

from __future__ import annotations

from typing import Any

from monai_kd.bundle.config_ids import Config, find, references
from monai_kd.student_bundle.config_parts import handlers_of, kind
from monai_kd.student_bundle.configs.safeguards import count_images
from monai_kd.student_bundle.student_weights import BEST, STUDENT, save_student

__all__ = ["adapt_handlers", "resume_handlers"]

LOGS = ("StatsHandler", "TensorBoardStatsHandler", "MLFlowHandler")
VALIDATION = ("ValidationHandler", "FinalValidationHandler")
TRAINER = "train#trainer"
TRAIN = f"{TRAINER}#train_handlers"


def adapt_handlers(config: Config) -> None:
    """
    Log every term of the loss, and write checkpoints atomically, the student's into its own file.

    Two kinds of handlers are switched off: those that would load the teacher's weights into its network, which is now
    the student, and those that would resume a run without the pathways."""
    for _, handler in handlers_of(config, TRAIN):
        if kind(handler) in LOGS:
            handler["output_transform"] = "$monai_kd.loss_terms"
    evaluator = _evaluator(config)
    ids = [*handlers_of(config, TRAIN), *(handlers_of(config, f"{evaluator}#val_handlers") if evaluator else ())]
    for _, handler in ids:
        if kind(handler) == "MetricLogger" and "_disabled_" not in handler:
            handler["_target_"] = "monai_kd.handlers.MetricLogHandler"
        if kind(handler) in ("CheckpointLoader", "ResumeHandler"):
            handler["_disabled_"] = True  # not removed, because overlays name handlers by their position
        elif kind(handler) in ("CheckpointSaver", "AtomicCheckpointSaver"):
            handler["_target_"] = "monai_kd.handlers.AtomicCheckpointSaver"
            _save_adapters(handler)
    save_student(config, TRAINER, evaluator)
    if evaluator:
        count_images(config, evaluator)


def resume_handlers(config: Config) -> list[dict[str, Any]]:
    """The handlers that resume a killed run, and the one that writes its best metric into the metadata."""
    evaluator = _evaluator(config)
    transform = find(config, "train#dataset#transform")
    seed: dict[str, Any] = {"_target_": "monai_kd.handlers.SeedHandler", "seed": "@seed"}
    if isinstance(transform, str):
        seed["transform"] = transform
    resume = {
        "_target_": "monai_kd.handlers.ResumeHandler",
        "path": "$@output_dir + '/last.pt'",
        "resume": "@resume",
        "evaluator": f"@{evaluator}" if evaluator else None,
        "settings": {
            "dataset_dir": "$os.path.abspath(@dataset_dir)",
            "loss": f"$repr({_reference(config, 'train#trainer#loss_function').removeprefix('$')})",
            "supervised_weight": "@supervised_weight",
            "pathways": "$repr(@pathways)",
        },
        "objects": {
            "network": _reference(config, "train#trainer#network"),
            "optimizer": _reference(config, "train#trainer#optimizer"),
            "pathways": "@pathways",
            **_schedules(config),
            **({"best": f"@{BEST}"} if BEST in config else {}),
            **_logs(config),
        },
    }
    metrics = {
        "_target_": "monai_kd.handlers.EvalMetricsHandler",
        "metadata": "$@bundle_root + '/configs/metadata.json'",
        "checkpoint": f"@{STUDENT}",
        "evaluator": resume["evaluator"],
    }
    return [seed, resume, metrics]


def _schedules(config: Config) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, handler in handlers_of(config, TRAIN):
        if kind(handler) == "LrScheduleHandler" and "_disabled_" not in handler:
            found[f"lr_scheduler{len(found) or ''}"] = _reference(config, f"{name}#lr_scheduler")
    return found


def _logs(config: Config) -> dict[str, str]:
    names = [name for name, handler in handlers_of(config, TRAIN) if kind(handler) == "MetricLogHandler"]
    return {f"metric_log{place or ''}": f"@{name}" for place, name in enumerate(names)}


def _evaluator(config: Config) -> str | None:
    """The id of the engine that validates, or None."""
    validators = [handler for _, handler in handlers_of(config, TRAIN) if kind(handler) in VALIDATION]
    named = references(validators[0].get("validator")) if validators else []
    name = named[0] if named else None
    while name and isinstance(other := find(config, name), str) and other.startswith("@"):
        name = references(other)[0]
    return name


def _save_adapters(handler: dict[str, Any]) -> None:
    saved = handler.get("save_dict")
    if isinstance(saved, dict) and "@optimizer" in saved.values():
        saved["pathways"] = "@pathways"


def _reference(config: Config, name: str) -> str:
    """A reference to an argument's object: the one that the config has, or a new one."""
    node = find(config, name)
    return node if isinstance(node, str) else f"@{name}"
