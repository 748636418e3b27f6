# SPDX-License-Identifier: Apache-2.0
"""The teacher's training config with the student in its network's place and the teacher beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from monai_kd.bundle.config_ids import Config, find, references, replace, texts
from monai_kd.student_bundle.configs.safeguards import lines_of, safe_training
from monai_kd.student_bundle.configs.train_handlers import adapt_handlers, resume_handlers
from monai_kd.student_bundle.teacher.data_format import BY_HAND
from monai_kd.student_bundle.teacher.teacher_bundle import TRAINER, TeacherBundle

__all__ = ["name_run", "put_student", "teacher_file", "train_config", "with_resume_handlers"]

RUN_IDS = ("training", "evaluating", "evaluate", "inference")  # what "run" was called before MONAI 1.0


def train_config(bundle: TeacherBundle, student: Mapping[str, Any], pathways: Mapping[str, Any]) -> Config:
    """
    The new bundle's training.

    Args:
        bundle: the teacher's.
        student: its ``network_def``.
        pathways: the component ``monai_kd.Pathways``.

    Raises:
        ValueError: When the optimizer is not one whose parameters can be added to.
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
    """
    The name of the teacher's weights in the new bundle: not one that its training writes.

    Args:
        bundle: the teacher's.
    """
    return "frozen_teacher.pt" if any("teacher.pt" in text for text in texts(bundle.train)) else "teacher.pt"


def put_student(config: Config, network: str, student: Mapping[str, Any]) -> None:
    """
    Put the student where a config's network was.

    Args:
        config: of a training or an inference, changed in place.
        network: the id of the network's definition.
        student: the new definition.
    """
    if network != "network_def":
        replace(config, network, "$@network_def.to(@device)")
    config["network_def"] = dict(student)
    config["bundle_root"] = "."
    name_run(config)


def name_run(config: Config) -> None:
    """
    Call the program of a config ``run``, as MONAI does since 1.0.

    Args:
        config: of a training or an inference, or an overlay; changed in place.

    Example:
        >>> config = {"evaluating": ["$@evaluator.run()"]}
        >>> name_run(config)
        >>> config
        {'run': ['$@evaluator.run()']}
    """
    for former in RUN_IDS:
        if "run" not in config and any(".run(" in text for text in texts(config.get(former))):
            config["run"] = lines_of(config, former)
            del config[former]


def with_resume_handlers(handlers: Any) -> Any:
    """
    A trainer's handlers and those that resume it.

    Args:
        handlers: as the config has them: a list, a reference or an expression.

    Example:
        >>> with_resume_handlers("$@train#handlers[:-2]")
        '$list(@train#handlers[:-2]) + @resume_handlers'
    """
    if isinstance(handlers, list):
        return [*handlers, *(f"$@resume_handlers[{place}]" for place in range(3))]
    text = str(handlers or "$[]")
    return f"$list({text.removeprefix('$')}) + @resume_handlers"


def _train_adapters(config: Config, file: str) -> None:
    """The optimizer holds the weights of the pathways' adapters, too."""
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
            f"{file}: the trainer's optimizer is {node!r}, and only a component with 'params' can be given the weights "
            f'of the adapters too. Write it as {{"_target_": …, "params": "$@network.parameters()", …}}. {BY_HAND}'
        )


def _without_start_weights(config: Config, file: str) -> None:
    """What loads the teacher's weights into its network would now load them into the student."""
    loaders = [name for name, node in config.items() if _is_loader(node)]
    for name in ("initialize", "run"):
        lines = [line for line in lines_of(config, name) if not any(f"@{loader}" in str(line) for loader in loaders)]
        loading = [line for line in lines if "load_state_dict" in str(line)]
        if loading:
            raise ValueError(
                f"{file}: '{name}' loads weights by {loading[0]!r}, which are not the student's. Remove the line, or "
                f"write it as a CheckpointLoader. {BY_HAND}"
            )
        if name in config:
            config[name] = lines


def _is_loader(node: Any) -> bool:
    return isinstance(node, dict) and str(node.get("_target_")).split(".")[-1] == "CheckpointLoader"
