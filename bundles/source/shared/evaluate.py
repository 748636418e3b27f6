# SPDX-License-Identifier: Apache-2.0
"""The shared part of evaluation and inference."""

from collections.abc import Sequence
from typing import Any

from bundles.source.shared import parts
from bundles.source.shared.task import NOTHING, Config, Task

NETWORK = {"network": "$@network_def.to(@device)"}
QUIET = {"quiet": None}
INPUTS = {"checkpoint": "@checkpoint", "dataset_dir": "@dataset_dir"}
LOAD = "$monai_kd.load_weights(@network_def, @checkpoint)"
UNSEEN = parts.require_unseen("@checkpoint", "() if @section == 'training' else @dataset.data")


def evaluate(
    task: Task,
    *,
    postprocessing: Config,
    key_metric: Config,
    scores: Config,
    further_metrics: Config = NOTHING,
    values: Config = NOTHING,
    copies: Sequence[Config] = (),
) -> Config:
    """``evaluate.json``: score the images of a split."""
    return {
        "imports": parts.IMPORTS,
        **files("evaluation"),
        **parts.SPLIT,
        **task.classes,
        **parts.CROP_MARGINS,
        "section": "test",
        **parts.SEEN_IMAGES,
        **parts.DEVICE,
        **QUIET,
        **values,
        **parts.SPATIAL_SIZE,
        **task.student,
        **NETWORK,
        "split": parts.choose_split("preprocessing"),
        "preprocessing": parts.compose(
            parts.load(task.keys), *copies, parts.crop_margins("image"), *normalized(task, task.keys)
        ),
        "dataset": {
            "_target_": "monai_kd.data.BreastUltrasoundDataset",
            "root": "@dataset_dir",
            "section": "@section",
            "split": "@split",
            "layout": "@layout",
            **task.of_classes,
            "cache_rate": 0.0,
            "transform": "@preprocessing",
        },
        "dataloader": dataloader("monai_kd.data.ThreadDataLoader"),
        "inferer": parts.INFERER,
        "postprocessing": postprocessing,
        "key_metric": key_metric,
        **further_metrics,
        "handlers": [parts.progress("evaluate"), scores, parts.copy_of_config("evaluate")],
        "evaluator": evaluator(
            "SupervisedEvaluator", key_val_metric="@key_metric", **{name: f"@{name}" for name in further_metrics}
        ),
        **start(task, **INPUTS, split_file="@split_file"),
        "run": [LOAD, UNSEEN, "$@evaluator.run()"],
    }


def inference(
    task: Task,
    *,
    postprocessing: Config,
    handlers: Sequence[Config] = (),
    values: Config = NOTHING,
    copies: Sequence[Config] = (),
) -> Config:
    """``inference.json``: masks or probabilities for a folder of images."""
    return {
        "imports": ["$import monai_kd"],
        **files("inference"),
        **parts.DEVICE,
        **QUIET,
        **values,
        **task.classes,
        **parts.CROP_MARGINS,
        **parts.SPATIAL_SIZE,
        **task.student,
        **NETWORK,
        "preprocessing": parts.compose(
            parts.load("image"), *copies, parts.crop_margins("image"), *normalized(task, "image")
        ),
        "dataset": {
            "_target_": "monai_kd.data.TolerantDataset",
            "data": "$monai_kd.data.list_images(@dataset_dir)",
            "transform": "@preprocessing",
        },
        "dataloader": dataloader("monai_kd.data.ThreadDataLoader", collate_fn="$monai_kd.data.collate_tolerant"),
        "inferer": parts.INFERER,
        "postprocessing": postprocessing,
        "handlers": [parts.progress("inference"), *handlers],
        "evaluator": evaluator("monai_kd.engines.InferenceEvaluator"),
        **start(task, **INPUTS),
    }


def inference_stock(
    task: Task, *, data: str, postprocessing: Config, imports: Sequence[str] = (), handlers: Sequence[Config] = ()
) -> Config:
    """``inference_stock.json``: the same inference, which needs only the network from monai_kd."""
    return {
        "imports": ["$import glob", *imports],
        **files("inference"),
        "suffixes": [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"],
        "images": "$sorted(path for path in glob.glob(@dataset_dir + '/*') if path.lower().endswith(tuple(@suffixes)))",
        **parts.DEVICE,
        **QUIET,
        **task.classes,
        **parts.SPATIAL_SIZE,
        **task.student,
        **NETWORK,
        "preprocessing": parts.compose(
            {
                "_target_": "LoadImaged",
                "keys": "image",
                "reader": "PILReader",
                "converter": "$lambda image: image.convert('L')",
                "ensure_channel_first": True,
            },
            *normalized(task, "image"),
        ),
        "dataset": {"_target_": "Dataset", "data": data, "transform": "@preprocessing"},
        "dataloader": dataloader("DataLoader"),
        "inferer": parts.INFERER,
        "postprocessing": postprocessing,
        "handlers": [
            parts.progress("inference"),
            {"_target_": "CheckpointLoader", "load_path": "@checkpoint", "load_dict": {"model": "@network"}},
            *handlers,
        ],
        "evaluator": evaluator("SupervisedEvaluator"),
        "run": ["$@evaluator.run()"],
    }


def files(run: str) -> Config:
    return {
        "bundle_root": ".",
        "output_dir": parts.run_folder(run),
        "checkpoint": parts.model("model"),
        **parts.DATASET_DIR,
    }


def normalized(task: Task, keys: Any) -> list[Config]:
    return [parts.resize("image", "bilinear"), parts.NORMALIZE, parts.to_device(keys, **task.meta)]


def dataloader(target: str, **more: str) -> Config:
    return {"_target_": target, "dataset": "@dataset", **more, "batch_size": 1, "shuffle": False, "num_workers": 0}


def evaluator(target: str, **metrics: str) -> Config:
    return {
        "_target_": target,
        "device": "@device",
        "val_data_loader": "@dataloader",
        "network": "@network",
        "inferer": "@inferer",
        "postprocessing": "@postprocessing",
        **metrics,
        "val_handlers": "@handlers",
        "amp": "@amp",
    }


def start(task: Task, **inputs: str) -> Config:
    return {
        "recorded": {"network_def": "@checkpoint"},
        "inputs": inputs,
        "initialize": [
            "$monai_kd.bundle.check_arguments()",
            "$monai_kd.utils.claim_outputs(@output_dir, inputs=@inputs, images=True)",
            parts.USE_RECORDS,
            task.check.format("@network_def"),
        ],
        "run": [LOAD, "$@evaluator.run()"],
    }
