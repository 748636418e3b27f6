# SPDX-License-Identifier: Apache-2.0
"""The handlers of a training: terms in the log, checkpoints that survive a kill, and a run that goes on."""

from __future__ import annotations

from typing import Any

from monai_kd.bundle.ids import Config, find, list_ids, references, replace

__all__ = ["adapt_handlers", "handlers_of", "resume_handlers"]

LOGS = ("StatsHandler", "TensorBoardStatsHandler", "MLFlowHandler")
VALIDATION = ("ValidationHandler", "FinalValidationHandler")
TRAIN = "train#trainer#train_handlers"
BEST = "best_checkpoint"


def adapt_handlers(config: Config) -> None:
    """
    Log every term of the loss, and write checkpoints atomically. The saver of the best one gets an id of its own,
    ``best_checkpoint``, under which it is resumed and its folder can be changed. What would load the teacher's weights
    into its network, which is the student now, is switched off; so is a resuming handler without the pathways.

    Args:
        config: of the training, changed in place.
    """
    for _, handler in handlers_of(config, TRAIN):
        if _kind(handler) in LOGS:
            handler["output_transform"] = "$monai_kd.loss_terms"
    evaluator = _evaluator(config)
    ids = [*handlers_of(config, TRAIN), *(handlers_of(config, f"{evaluator}#val_handlers") if evaluator else ())]
    for name, handler in ids:
        if _kind(handler) in ("CheckpointLoader", "ResumeHandler"):
            handler["_disabled_"] = True  # not removed: overlays name handlers by their place
        elif _kind(handler) in ("CheckpointSaver", "AtomicCheckpointSaver"):
            handler["_target_"] = "monai_kd.handlers.AtomicCheckpointSaver"
            _save_adapters(handler)
            if handler.get("save_key_metric") and BEST not in config and "_disabled_" not in handler:
                config[BEST] = handler
                replace(config, name, f"@{BEST}")


def handlers_of(config: Config, engine: str) -> list[tuple[str, dict[str, Any]]]:
    """
    The handlers of an engine by their ids, whether they stand in a list or are named there.

    Args:
        config: of the training.
        engine: the id of the engine's handlers.

    Example:
        >>> config = {"log": {"tag": 1}, "all": [{"tag": 0}, "@log"], "trainer": {"handlers": "@all"}}
        >>> handlers_of(config, "trainer#handlers")
        [('all#0', {'tag': 0}), ('log', {'tag': 1})]
    """
    found = []
    for name in list_ids(config, engine):
        for place, handler in enumerate(find(config, name)):
            named = references(handler) if isinstance(handler, str) else [f"{name}#{place}"]
            found += [(i, find(config, i)) for i in named if isinstance(find(config, i), dict)]
    return found


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


def _schedules(config: Config) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, handler in handlers_of(config, TRAIN):
        if _kind(handler) == "LrScheduleHandler" and "_disabled_" not in handler:
            found[f"lr_scheduler{len(found) or ''}"] = _reference(config, f"{name}#lr_scheduler")
    return found


def _evaluator(config: Config) -> str | None:
    """The id of the engine that validates."""
    validators = [handler for _, handler in handlers_of(config, TRAIN) if _kind(handler) in VALIDATION]
    named = references(validators[0].get("validator")) if validators else []
    return named[0] if named else None


def _save_adapters(handler: dict[str, Any]) -> None:
    saved = handler.get("save_dict")
    if isinstance(saved, dict) and "@optimizer" in saved.values():
        saved["pathways"] = "@pathways"


def _reference(config: Config, name: str) -> str:
    """What gives an argument's object once more: the reference that it is, or one to it."""
    node = find(config, name)
    return node if isinstance(node, str) else f"@{name}"


def _kind(handler: dict[str, Any]) -> str:
    return str(handler.get("_target_")).split(".")[-1]
