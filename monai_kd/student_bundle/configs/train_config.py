# SPDX-License-Identifier: Apache-2.0
"""Turn the teacher's training config into the student's: the student replaces the network, the teacher is added."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from monai_kd.bundle.config_ids import Config, find, references, replace, texts
from monai_kd.student_bundle.config_parts import kind, lines_of, name_run
from monai_kd.student_bundle.configs.safeguards import safe_training
from monai_kd.student_bundle.configs.train_handlers import adapt_handlers, resume_handlers
from monai_kd.student_bundle.teacher.data_format import BY_HAND
from monai_kd.student_bundle.teacher.teacher_bundle import DEEP, TRAINER, TeacherBundle, loss_of

__all__ = ["keep_all_heads", "put_student", "teacher_file", "train_config", "with_resume_handlers"]


def train_config(bundle: TeacherBundle, student: Mapping[str, Any], pathways: Mapping[str, Any]) -> Config:
    """
    The new bundle's training config, with the component ``monai_kd.Pathways``.

    Raises:
        ValueError: When the optimizer cannot take further parameters.
    """
    config = copy.deepcopy(bundle.train)
    teacher = copy.deepcopy(find(config, bundle.network))
    if "pretrained" in teacher:
        teacher["pretrained"] = False  # its weights come from the checkpoint
    put_student(config, bundle.network, student)
    config["imports"] = [
        *(line for line in lines_of(config, "imports") if line not in ("$import os", "$import monai_kd")),
        "$import os",
        "$import monai_kd",
    ]
    config.setdefault("output_dir", "$@bundle_root + '/eval'")
    config |= {
        "seed": config.get("seed", 0),
        "resume": True,
        "teacher_checkpoint": f"$@bundle_root + '/models/{teacher_file(bundle)}'",
        "teacher_def": teacher,
        "teacher": "$monai_kd.load_weights(@teacher_def, @teacher_checkpoint)",
        "supervised_weight": 0.5,
        "pathways": dict(pathways),
    }
    file = str(bundle.train_files[0])
    _train_adapters(config, file)
    _without_start_weights(config, file)
    adapt_handlers(config)
    config["resume_handlers"] = resume_handlers(config)
    trainer = find(config, TRAINER)
    trainer |= {
        "_target_": "monai_kd.DistillationTrainer",
        "teacher": "@teacher",
        "pathways": "$monai_kd.engines.distribute(@pathways, @device)",
        "supervised_weight": "@supervised_weight",
        "train_handlers": with_resume_handlers(trainer.get("train_handlers")),
    }
    safe_training(config)
    return config


def teacher_file(bundle: TeacherBundle) -> str:
    """A name for the teacher's weights in the new bundle that its training does not write."""
    return "frozen_teacher.pt" if any("teacher.pt" in text for text in texts(bundle.train)) else "teacher.pt"


def keep_all_heads(config: Config) -> None:
    """
    Let the supervised loss of a training, changed in place, take all outputs of a student with deep supervision.

    Example:
        >>> config = {"loss": {"_target_": "DiceLoss"}, "train": {"trainer": {"loss_function": "@loss"}}}
        >>> keep_all_heads(config)
        >>> config["train"]["trainer"]["loss_function"]
        {'_target_': 'DeepSupervisionLoss', 'loss': '@loss'}
    """
    trainer = find(config, TRAINER)
    if kind(loss_of(config)) != DEEP:
        trainer["loss_function"] = {"_target_": DEEP, "loss": trainer["loss_function"]}


def put_student(config: Config, network: str, student: Mapping[str, Any]) -> None:
    """
    Replace a network in a training or inference config, which is changed in place, by the student.

    ``network`` is the id of the network's definition, and ``student`` the new definition.
    """
    if network != "network_def":
        replace(config, network, "$@network_def.to(@device)")
    config["network_def"] = dict(student)
    config["bundle_root"] = "."
    name_run(config)


def with_resume_handlers(handlers: Any) -> Any:
    """
    A trainer's handlers (a list, a reference or an expression) and those that resume it.

    Example:
        >>> with_resume_handlers("$@train#handlers[:-2]")
        '$list(@train#handlers[:-2]) + @resume_handlers'
    """
    if isinstance(handlers, list):
        return [*handlers, *(f"$@resume_handlers[{place}]" for place in range(3))]
    text = str(handlers or "$[]")
    return f"$list({text.removeprefix('$')}) + @resume_handlers"


def _train_adapters(config: Config, file: str) -> None:
    """Let the optimizer also train the weights of the pathways' adapters."""
    node = find(config, f"{TRAINER}#optimizer")
    if isinstance(node, str) and references(node):
        node = find(config, references(node)[0])
    params = node.get("params") if isinstance(node, dict) else None
    if isinstance(params, list):
        node["params"] = [*params, {"params": "$list(@pathways.parameters())"}]
    elif isinstance(params, str):
        groups = "param_groups" in params or "'params'" in params
        more = "[{'params': list(@pathways.parameters())}]" if groups else "list(@pathways.parameters())"
        node["params"] = f"$list({params.removeprefix('$')}) + {more}"
    else:
        raise ValueError(
            f"{file}: the trainer's optimizer is {node!r}, but the adapters' weights can be added only to a component "
            f'with \'params\'. Write it as {{"_target_": …, "params": "$@network.parameters()", …}}. {BY_HAND}'
        )


def _without_start_weights(config: Config, file: str) -> None:
    """Remove what loads the teacher's weights into its network, because that network is now the student."""
    loaders = [name for name, node in config.items() if _is_loader(node)]
    for name in ("initialize", "run"):
        lines = [line for line in lines_of(config, name) if not any(f"@{loader}" in str(line) for loader in loaders)]
        loading = [line for line in lines if "load_state_dict" in str(line)]
        if loading:
            raise ValueError(
                f"{file}: '{name}' loads weights by {loading[0]!r}, and these are not the student's. Remove the line, "
                f"or write it as a CheckpointLoader. {BY_HAND}"
            )
        if name in config:
            config[name] = lines


def _is_loader(node: Any) -> bool:
    return isinstance(node, dict) and str(node.get("_target_")).split(".")[-1] == "CheckpointLoader"
