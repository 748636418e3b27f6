# SPDX-License-Identifier: Apache-2.0
"""One file for the student's weights: the training writes it, and all other configs read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from monai_kd.bundle.config_ids import Config, find, replace, texts
from monai_kd.student_bundle.config_parts import add_handler, components, handlers_of, kind
from monai_kd.student_bundle.teacher.data_format import BY_HAND

__all__ = ["BEST", "STUDENT", "load_student", "save_student"]

STUDENT = "student_checkpoint"
BEST = "best_checkpoint"
SAVER = "monai_kd.handlers.AtomicCheckpointSaver"
RECORDED = {"record": "$monai_kd.bundle.training_record('network_def')"}
MODELS = re.compile(r"""\$\s*@bundle_root\s*\+\s*["']/models/?["']""")


def save_student(config: Config, trainer: str, evaluator: str | None) -> None:
    """
    Let one handler of a training, with the id ``best_checkpoint``, write the student's file.

    This is the training's own saver of the best weights or, if it has none, a new one. Without a validation, the new
    one saves the last weights.

    Args:
        config: of the training, changed in place.
        trainer: the trainer's id.
        evaluator: id of the engine that validates, if there is one.
    """
    config[STUDENT] = _file(config)
    name = f"$os.path.basename(@{STUDENT})"
    own = find(config, f"{trainer}#network")
    saved = {"save_dir": f"$os.path.dirname(@{STUDENT})", "save_dict": {"model": own if _refers(own) else "@network"}}
    saved |= RECORDED
    best = {"save_key_metric": True, "key_metric_filename": name}
    for place, former in _best_savers(config, trainer, evaluator):
        kept = {key: value for key, value in former.items() if key not in ("_disabled_", "key_metric_n_saved")}
        config[BEST] = {**kept, "_target_": SAVER, **saved, **best}  # of several processes, only the first writes
        replace(config, place, f"@{BEST}")
        return
    if evaluator and find(config, f"{evaluator}#key_val_metric") is not None:
        config[BEST] = {"_target_": SAVER, **saved, **best}
        add_handler(config, f"{evaluator}#val_handlers", f"@{BEST}")
    else:
        config[BEST] = {"_target_": SAVER, **saved, "save_final": True, "final_filename": name}
        add_handler(config, f"{trainer}#train_handlers", f"@{BEST}", in_list=False)


def load_student(config: Config, base: Config, evaluator: str, file: str) -> None:
    """
    Let a config that evaluates or infers load the student's file instead of the teacher's.

    Args:
        config: a whole config or an overlay; changed in place.
        base: the same config, or the one that it overlays.
        evaluator: the engine's id.
        file: of the config, for messages.

    Raises:
        ValueError: When the config loads weights without a ``CheckpointLoader``.
    """
    others = [text for text in texts(config) if text.startswith("$") and "load_state_dict" in text]
    if others:
        raise ValueError(
            f"{file} loads weights by {others[0]!r}, and these are not the student's. Write this line as a "
            f"CheckpointLoader. {BY_HAND}"
        )
    if config is base:
        config[STUDENT] = _file(config)
    loaders = [loader for loader in components(config, "CheckpointLoader") if loader.get("_disabled_") is not True]
    for loader in loaders:
        for key in ("strict", "strict_shape"):  # the file is the student's own, so a mismatch is an error
            loader.pop(key, None)
        if "exists" in str(loader.get("_disabled_")):  # without a file, it would go on with random weights
            del loader["_disabled_"]
        network = next((value for value in loader.get("load_dict", {}).values() if "network" in str(value)), "@network")
        loader |= {"load_path": f"@{STUDENT}", "load_dict": {"model": network}}
    if not loaders:
        loading = {"load_path": f"@{STUDENT}", "load_dict": {"model": "@network"}, "map_location": "@device"}
        config["student_loader"] = {"_target_": "CheckpointLoader", **loading}
        lines = config.get("initialize", base.get("initialize", []))
        lines = list(lines) if isinstance(lines, list) else [lines]
        config["initialize"] = [*lines, f"$@student_loader(@{evaluator})"]


def _file(config: Config) -> str:
    """
    The student's file, in ``ckpt_dir`` if that is the bundle's ``models``: ``--ckpt_dir`` then still moves the file.
    """
    in_models = MODELS.fullmatch(str(config.get("ckpt_dir")))
    return "$@ckpt_dir + '/model.pt'" if in_models else "$@bundle_root + '/models/model.pt'"


def _best_savers(config: Config, trainer: str, evaluator: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    engines = [f"{evaluator}#val_handlers"] if evaluator else []
    for engine in (*engines, f"{trainer}#train_handlers"):
        for name, handler in handlers_of(config, engine):
            is_saver = kind(handler) in ("CheckpointSaver", "AtomicCheckpointSaver")
            if is_saver and handler.get("save_key_metric") and handler.get("_disabled_") is not True:
                yield name, handler


def _refers(node: Any) -> bool:
    return isinstance(node, str) and node.startswith("@")
