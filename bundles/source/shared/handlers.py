# SPDX-License-Identifier: Apache-2.0
"""The handlers of every training and of its validation."""

from typing import Any

from bundles.source.shared import parts
from bundles.source.shared.task import Config, Stage, Task

EACH_EPOCH = {"iteration_log": "$lambda engine, event: event % engine.state.epoch_length == 0"}
LOSS_TERMS = {"output_transform": "$monai_kd.loss_terms"}


def training_handlers(task: Task, stage: Stage) -> list[Config]:
    return [
        {"_target_": "monai_kd.handlers.SeedHandler", "seed": "@seed", "transform": "@train#preprocessing"},
        parts.progress(stage.title),
        *stage.handlers,
        {"_target_": "LrScheduleHandler", "lr_scheduler": "@lr_scheduler", "print_lr": False, "epoch_level": False},
        {
            "_target_": "monai_kd.handlers.FinalValidationHandler",
            "validator": "@validate#evaluator",
            "epoch_level": True,
            "interval": "@val_interval",
        },
        {"_target_": "StatsHandler", "tag_name": "train_loss", **EACH_EPOCH, **LOSS_TERMS},
        tensorboard(tag_name="train_loss", **LOSS_TERMS),
        mlflow(
            task, **EACH_EPOCH, **LOSS_TERMS, artifacts="$@output_dir + '/train_config.json'", close_on_complete=True
        ),
        {"_target_": "monai_kd.handlers.PatienceHandler", "evaluator": "@validate#evaluator", "patience": "@patience"},
        {
            "_target_": "monai_kd.handlers.ResumeHandler",
            "path": "$@output_dir + '/last.pt'",
            "resume": "@resume",
            "evaluator": "@validate#evaluator",
            "settings": "@settings",
            "objects": "@resumed",
        },
        parts.copy_of_config("train"),
    ]


def validation_handlers(task: Task) -> list[Any]:
    return [
        {"_target_": "StatsHandler", "iteration_log": False},
        tensorboard(iteration_log=False),
        mlflow(task, iteration_log=False),
        {"_target_": "monai_kd.handlers.EachImageOnceHandler"},
        "@validate#best",
    ]


def tensorboard(**logged: Any) -> Config:
    return {
        "_target_": "TensorBoardStatsHandler",
        "_disabled_": "$not @use_tensorboard",
        "log_dir": "@output_dir",
        **logged,
    }


def mlflow(task: Task, **logged: Any) -> Config:
    return {
        "_target_": "MLFlowHandler",
        "_disabled_": "$not @use_mlflow or int(os.environ.get('RANK', 0)) > 0",
        "tracking_uri": "@mlflow_uri",
        "experiment_name": task.bundle,
        "run_name": "@output_dir",
        **logged,
    }
