# SPDX-License-Identifier: Apache-2.0
"""A training config: values that all trainings share are written here, and the others come from task and stage."""

from typing import Any

from bundles.source.shared import parts
from bundles.source.shared.handlers import training_handlers, validation_handlers
from bundles.source.shared.task import Config, Stage, Task


def training(task: Task, stage: Stage) -> Config:
    return {
        "imports": parts.IMPORTS,
        "bundle_root": ".",
        **stage.files,
        **parts.DATASET_DIR,
        **parts.SPLIT,
        "labels": None,
        **parts.SEEN_IMAGES,
        **task.classes,
        **task.values,
        **parts.CROP_MARGINS,
        "seed": 0,
        **parts.DEVICE,
        "resume": task.resume,
        "quiet": None,
        "processes": None,
        "use_tensorboard": "$find_spec('tensorboard') is not None",
        "use_mlflow": False,
        "mlflow_uri": "$monai.utils.path_to_sqlite_uri(@output_dir + '/mlflow.db')",
        **parts.SPATIAL_SIZE,
        "batch_size": 16,
        "max_epochs": stage.max_epochs,
        "val_interval": 1,
        "patience": stage.patience,
        "learning_rate": stage.learning_rate,
        **stage.networks,
        **task.loss,
        "optimizer": {"_target_": "torch.optim.AdamW", "params": stage.parameters, "lr": "@learning_rate"},
        "lr_scheduler": {
            "_target_": "torch.optim.lr_scheduler.OneCycleLR",
            "optimizer": "@optimizer",
            "max_lr": "@learning_rate",
            "total_steps": "$@train#trainer#max_epochs * len(@train#dataloader)",
        },
        "split": parts.choose_split("deterministic_transforms", task.given),
        "deterministic_transforms": [
            parts.load(task.keys),
            parts.crop_margins(task.keys),
            parts.resize(task.keys, task.modes),
            parts.NORMALIZE,
            parts.to_device(task.keys, track_meta=False),
        ],
        **task.prepare_batch,
        "further_handlers": [],
        "train": train_section(task, stage),
        "validate": validate_section(task, stage),
        **start(task, stage),
    }


def train_section(task: Task, stage: Stage) -> Config:
    return {
        "random_transforms": random_transforms(task),
        "preprocessing": {"_target_": "Compose", "transforms": "$@deterministic_transforms + @train#random_transforms"},
        "dataset": dataset(task, "train", section="training", split="@split", labels="@labels"),
        "sampler": {"_target_": "torch.utils.data.RandomSampler", "data_source": "@train#dataset"},
        "dataloader": dataloader("train", sampler="@train#sampler", **task.dataloader),
        "inferer": parts.INFERER,
        "handlers": training_handlers(task, stage),
        "trainer": {
            "_target_": stage.trainer,
            "max_epochs": "@max_epochs",
            "device": "@device",
            "train_data_loader": "@train#dataloader",
            **task.prepared,
            "network": "@network",
            **stage.teacher,
            "loss_function": "@loss",
            "optimizer": "@optimizer",
            "inferer": "@train#inferer",
            "amp": "@amp",
            "train_handlers": "$@train#handlers + @further_handlers",
        },
    }


def validate_section(task: Task, stage: Stage) -> Config:
    return {
        "preprocessing": {"_target_": "Compose", "transforms": "@deterministic_transforms"},
        "dataset": dataset(task, "validate", section="validation", split="@split"),
        "dataloader": dataloader("validate", shuffle=False),
        "inferer": parts.INFERER,
        "postprocessing": task.postprocessing,
        "key_metric": task.key_metric,
        "best": {
            "_target_": "monai_kd.handlers.AtomicCheckpointSaver",
            "save_dir": "$os.path.dirname(os.path.abspath(@checkpoint))",
            "save_dict": {"model": "@network"},
            "record": parts.record_of(stage.trained.removeprefix("@"), *task.classes),
            "save_key_metric": True,
            **task.best,
            "key_metric_filename": "$os.path.basename(@checkpoint)",
        },
        "handlers": validation_handlers(task),
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@validate#dataloader",
            **task.prepared,
            "network": "@network",
            "inferer": "@validate#inferer",
            "postprocessing": "@validate#postprocessing",
            "key_val_metric": "@validate#key_metric",
            **task.compared,
            "val_handlers": "@validate#handlers",
            "amp": "@amp",
        },
    }


def random_transforms(task: Task) -> list[Config]:
    return [
        {"_target_": "RandFlipd", "keys": task.keys, "prob": 0.5, "spatial_axis": 0},
        {
            "_target_": "RandAffined",
            "keys": task.keys,
            "prob": 1.0,
            "rotate_range": 0.3,
            "scale_range": 0.2,
            "translate_range": "$[0.075 * side for side in @spatial_size]",
            "mode": task.modes,
            "padding_mode": "zeros",
            "device": "@device",
        },
        {"_target_": "RandGaussianNoised", "keys": "image", "prob": 0.5, "std": 0.1},
        parts.to_device(task.keys, track_meta=False),
    ]


def dataset(task: Task, part: str, **images: str) -> Config:
    return {
        "_target_": "monai_kd.data.BreastUltrasoundDataset",
        "root": "@dataset_dir",
        **images,
        "layout": "@layout",
        **task.dataset,
        "transform": f"@{part}#preprocessing",
        "cache_rate": 1.0,
        "num_workers": 2,
        "progress": False,
    }


def dataloader(part: str, **order: Any) -> Config:
    return {
        "_target_": "monai_kd.data.ThreadDataLoader",
        "dataset": f"@{part}#dataset",
        "batch_size": "@batch_size",
        **order,
        "num_workers": 0,
    }


def start(task: Task, stage: Stage) -> Config:
    """The objects and settings to resume with, the inputs and outputs, and the first steps of a run."""
    return {
        "resumed": {
            "network": "@network",
            "optimizer": "@optimizer",
            "lr_scheduler": "@lr_scheduler",
            **stage.resumed,
            "best": "@validate#best",
        },
        "settings": {
            "training images": "$@split['training']",
            "labels": "@labels",
            "seed": "@seed",
            **task.settings,
            "spatial_size": "@spatial_size",
            "crop_margins": "@crop_margins",
            "learning_rate": "@learning_rate",
            "loss": "$repr(@loss)",
            **stage.settings,
        },
        "recorded": stage.recorded,
        "inputs": {**stage.inputs, "dataset_dir": "@dataset_dir", "split_file": "@split_file"},
        "output_files": {"checkpoint": "@checkpoint", "last.pt": "$@output_dir + '/last.pt'"},
        "initialize": [
            *parts.BEGIN,
            f"${stage.trained}",
            *(task.check.format(network) for network in stage.checked),
        ],
        "run": [*stage.before, *parts.CHECK_IMAGES, parts.RUN],
    }
