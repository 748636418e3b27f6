# SPDX-License-Identifier: Apache-2.0
"""Give the parts of a training or inference config the ids that MONAI expects in a bundle."""

from __future__ import annotations

import copy
from typing import Any

from monai_kd.bundle.config_ids import Config, find, references, replace
from monai_kd.student_bundle.config_parts import components

__all__ = ["name_parts", "renamed_overlay", "with_monai_ids"]

TRAIN = "train#trainer"
VALIDATE = "validate#evaluator"
# Where an object is used, and the id that it should have. The order matters: later places use earlier ids.
PLACES = (
    (f"{TRAIN}#train_data_loader", "train#dataloader"),
    ("train#dataloader#dataset", "train#dataset"),
    ("train#dataset#transform", "train#preprocessing"),
    (f"{TRAIN}#train_handlers", "train#handlers"),
    (f"{TRAIN}#inferer", "train#inferer"),
    (f"{TRAIN}#postprocessing", "train#postprocessing"),
    (f"{TRAIN}#key_train_metric", "train#key_metric"),
    (f"{VALIDATE}#val_data_loader", "validate#dataloader"),
    ("validate#dataloader#dataset", "validate#dataset"),
    ("validate#dataset#transform", "validate#preprocessing"),
    (f"{VALIDATE}#val_handlers", "validate#handlers"),
    (f"{VALIDATE}#inferer", "validate#inferer"),
    (f"{VALIDATE}#postprocessing", "validate#postprocessing"),
    (f"{VALIDATE}#key_val_metric", "validate#key_metric"),
)

READING_PLACES = (
    ("dataset#transform", "preprocessing"),
    ("evaluator#val_handlers", "handlers"),
    ("evaluator#postprocessing", "postprocessing"),
    ("evaluator#key_val_metric", "key_metric"),
)


def name_parts(config: Config) -> None:
    """
    Give parts of an evaluation or an inference the ids that MONAI expects, if they are defined inside the engine.

    Example:
        >>> config = {"evaluator": {"val_handlers": []}}
        >>> name_parts(config)
        >>> config
        {'evaluator': {'val_handlers': '@handlers'}, 'handlers': []}
    """
    for place, name in READING_PLACES:
        _name(config, place, name)


def with_monai_ids(config: Config) -> tuple[Config, dict[str, str]]:
    """
    A training with MONAI's ids; each former id becomes a reference to the new one, so expressions can use both.

    Returns:
        The config, and the new id for each former one; empty if the config already has ``train#trainer``.

    Example:
        >>> config, renamed = with_monai_ids({"trainer": {"_target_": "SupervisedTrainer"}})
        >>> config["train"]["trainer"], config["trainer"], renamed
        ({'_target_': 'SupervisedTrainer', 'inferer': '@train#inferer'}, '@train#trainer', {'trainer': 'train#trainer'})
    """
    trainer = config.get("trainer")
    if find(config, TRAIN) is not None or not isinstance(trainer, dict) or "_target_" not in trainer:
        return config, {}
    if not all(isinstance(config.get(name, {}), dict) for name in ("train", "validate")):
        return config, {}
    config, renamed = copy.deepcopy(config), {"trainer": TRAIN}
    _put(config, TRAIN, config["trainer"])
    config["trainer"] = f"@{TRAIN}"
    config["train"]["trainer"].setdefault("inferer", {"_target_": "SimpleInferer"})
    for handler in list(components(config, "ValidationHandler")):
        (engine,) = references(handler.get("validator"))[:1] or (None,)
        if engine and engine != VALIDATE and isinstance(find(config, engine), dict) and "validate" not in config:
            renamed |= _move(config, engine, VALIDATE)
    for place, name in PLACES:
        renamed |= _name(config, place, name)
    return _followed(config, renamed), renamed


def _followed(node: Any, renamed: dict[str, str]) -> Any:
    """Texts that refer to a part of what was moved, such as ``@loader#batch_size``, refer to its new place."""
    if isinstance(node, dict):
        return {key: _followed(value, renamed) for key, value in node.items()}
    if isinstance(node, list):
        return [_followed(item, renamed) for item in node]
    for old, new in renamed.items() if isinstance(node, str) else ():
        for mark in "@%":
            node = node.replace(f"{mark}{old}#", f"{mark}{new}#").replace(f"{mark}{old}::", f"{mark}{new}#")
    return node


def renamed_overlay(config: Config, renamed: dict[str, str]) -> Config:
    """
    An overlay of such a training with the new ids; ``renamed`` is from :func:`with_monai_ids`.

    Example:
        >>> renamed_overlay({"loader#sampler": None, "device": 0}, {"loader": "train#dataloader"})
        {'train#dataloader#sampler': None, 'device': 0}
    """
    return {_renamed(key, renamed): value for key, value in config.items()}


def _renamed(key: str, renamed: dict[str, str]) -> str:
    former = key.replace("::", "#")
    for old, new in renamed.items():
        if former == old or former.startswith(f"{old}#"):
            return new + former[len(old) :]
    return key


def _name(config: Config, place: str, name: str) -> dict[str, str]:
    """Give the object at a place its id, unless an expression makes it."""
    node = find(config, place)
    if node is None or find(config, name) is not None or (isinstance(node, str) and not node.startswith("@")):
        return {}
    if not isinstance(node, str):
        _put(config, name, node)
        replace(config, place, f"@{name}")
        return {}
    former = references(node)[0]
    content = find(config, former)
    if name == "train#handlers" and isinstance(content, list) and any(isinstance(item, str) for item in content):
        return {}  # MONAI's check of a training accepts no references in this list
    moved = _move(config, former, name) if isinstance(content, dict | list) else {}
    if not moved:
        _put(config, name, node)
    replace(config, place, f"@{name}")
    return moved


def _move(config: Config, former: str, name: str) -> dict[str, str]:
    _put(config, name, find(config, former))
    replace(config, former, f"@{name}")
    return {former: name}


def _put(config: Config, name: str, value: Any) -> None:
    *rooms, last = name.split("#")
    for room in rooms:
        config = config.setdefault(room, {})
    config[last] = value
