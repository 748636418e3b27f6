# SPDX-License-Identifier: Apache-2.0
"""Kinds of trainings that both bundles have: with a teacher, and alone."""

from dataclasses import replace
from typing import Any

from bundles.source.shared import parts
from bundles.source.shared.methods import logits_kl, pathways
from bundles.source.shared.task import Config, Stage

PATHWAYS = {"supervised_weight": 0.5, **pathways(logits=logits_kl(4.0, 0.5))}
DISTRIBUTED = {"network": "$monai_kd.engines.distribute(@network_def, @device)"}
TEACHER_CHECKPOINT = {"teacher": "$os.path.abspath(@teacher_checkpoint)"}


def alone(name: str, networks: Config, **more: Any) -> Stage:
    """A training on labels, of the student or of the teacher."""
    files = {"output_dir": parts.run_folder(name), "checkpoint": parts.model(name)}
    return Stage(title=name, files=files, networks=networks, **more)


def with_teacher(stage: Stage, **more: Any) -> Stage:
    """A training that reads a teacher's checkpoint."""
    return replace(
        stage,
        files={**stage.files, "teacher_checkpoint": parts.model("teacher")},
        inputs={"teacher_checkpoint": "@teacher_checkpoint"},
        recorded={"teacher_def": "@teacher_checkpoint"},
        before=(parts.LOAD_TEACHER,),
        **more,
    )


def distillation(networks: Config) -> Stage:
    return with_teacher(
        Stage(
            title="distil",
            files={"output_dir": parts.run_folder("distilled"), "checkpoint": parts.model("model")},
            networks={**networks, **PATHWAYS},
        ),
        checked=("@network_def", "@teacher_def"),
        parameters="$list(@network.parameters()) + list(@pathways.parameters())",
        handlers=(),
        trainer="monai_kd.DistillationTrainer",
        teacher={
            "teacher": "@teacher_def",
            "pathways": "$monai_kd.engines.distribute(@pathways, @device)",
            "supervised_weight": "@supervised_weight",
        },
        resumed={"pathways": "@pathways"},
        settings={
            "supervised_weight": "@supervised_weight",
            "pathways": "$repr(@pathways)",
            **TEACHER_CHECKPOINT,
        },
    )
