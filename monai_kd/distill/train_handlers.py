# SPDX-License-Identifier: Apache-2.0
"""The handlers of a training: terms in the log, checkpoints that survive a kill, and a run that goes on."""

from __future__ import annotations

from typing import Any

from monai_kd.distill.ids import Config, find, list_ids, references

__all__ = ["adapt_handlers", "resume_handlers"]

LOGS = ("StatsHandler", "TensorBoardStatsHandler", "MLFlowHandler")
TRAIN = "train#trainer#train_handlers"
BEST = "best_checkpoint"


def adapt_handlers(config: Config) -> None:
    """
    Log every term of the loss, and write checkpoints atomically. The saver of the best one gets an id of its own,
    ``best_checkpoint``, under which it is resumed and its folder can be changed.

    Args:
        config: of the training, changed in place.
    """
    for name in list_ids(config, TRAIN):
        for handler in find(config, name):
            if _kind(handler) in LOGS:
                handler["output_transform"] = "$monai_kd.loss_terms"
    evaluator = _evaluator(config)
    names = list_ids(config, TRAIN) + (list_ids(config, f"{evaluator}#val_handlers") if evaluator else [])
    for name in names:
        handlers = find(config, name)
        for place, handler in enumerate(handlers):
            if _kind(handler) == "CheckpointSaver":
                handler["_target_"] = "monai_kd.handlers.AtomicCheckpointSaver"
                _save_adapters(handler)
                if handler.get("save_key_metric") and BEST not in config and "_disabled_" not in handler:
                    config[BEST], handlers[place] = handler, f"@{BEST}"


def resume_handlers(config: Config) -> list[dict[str, Any]]:
    """
    The handlers that continue a killed run.

    Args:
        config: of the training.
    """
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
        },
    }
    return [seed, resume]


def _schedules(config: Config) -> dict[str, Any]:
    found: dict[str, str] = {}
    for name in list_ids(config, TRAIN):
        for place, handler in enumerate(find(config, name)):
            if _kind(handler) == "LrScheduleHandler" and "_disabled_" not in handler:
                found[f"lr_scheduler{len(found) or ''}"] = _reference(config, f"{name}#{place}#lr_scheduler")
    return found


def _evaluator(config: Config) -> str | None:
    """The id of the engine that validates."""
    for name in list_ids(config, TRAIN):
        for handler in find(config, name):
            if _kind(handler) == "ValidationHandler" and references(handler.get("validator")):
                return references(handler["validator"])[0]
    return None


def _save_adapters(handler: dict[str, Any]) -> None:
    saved = handler.get("save_dict")
    if isinstance(saved, dict) and "@optimizer" in saved.values():
        saved["pathways"] = "@pathways"


def _reference(config: Config, name: str) -> str:
    """What gives an argument's object once more: the reference that it is, or one to it."""
    node = find(config, name)
    return node if isinstance(node, str) else f"@{name}"


def _kind(handler: Any) -> str:
    return str(handler.get("_target_")).split(".")[-1] if isinstance(handler, dict) else ""
