# SPDX-License-Identifier: Apache-2.0
"""The training of an nnU-Net teacher's bundle: nnU-Net's cases, patches and batches in MONAI's ids."""

from __future__ import annotations

from typing import Any

from monai_kd.bundle.config_ids import Config
from monai_kd.student_bundle.nnunet.preprocessing import loading, preprocessing
from monai_kd.student_bundle.nnunet.results import Results

__all__ = ["DEVICE", "IMPORTS", "evaluator", "inferer", "postprocessing", "train_config"]

DEVICE = "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"
AMP = "$torch.cuda.is_available()"  # elsewhere it only warns
IMPORTS = ["$import os", "$import pydoc", "$import numpy as np", "$import monai_kd"]
FIRST_LOSS = "$monai.handlers.from_engine(['loss'], first=True)"
PRED_AND_LABEL = "$monai.handlers.from_engine(['pred', 'label'])"
BOTH = ["image", "label"]
EPOCHS = 300
FOREGROUND = {"pos": 1, "neg": 2}  # a third of the patches, as in nnU-Net


def train_config(results: Results, network: dict[str, Any], classes: int, mirror_axes: tuple[int, ...]) -> Config:
    """
    A training of a network on nnU-Net's raw data.

    Args:
        results: of nnU-Net.
        network: definition of the network.
        classes: with the background.
        mirror_axes: spatial axes along which nnU-Net mirrors.

    Raises:
        ValueError: When nnU-Net's reader or normalization has no counterpart.
    """
    folds = [int(name) for name in results.folds if name != "all"]
    return {
        "imports": IMPORTS,
        "bundle_root": ".",
        "ckpt_dir": "$@bundle_root + '/models'",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": f"nnUNet_raw/{results.plans['dataset_name']}",
        "file_ending": results.dataset["file_ending"],
        "splits_file": "$@bundle_root + '/configs/splits_final.json'",
        "fold": folds[0] if folds else 0,
        "soft_target_dir": "$@bundle_root + '/soft_targets'",
        "mirror_axes": list(mirror_axes),
        "spatial_keys": BOTH,
        "device": DEVICE,
        "max_epochs": EPOCHS,
        "val_interval": 10,
        "learning_rate": 0.001,
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "loss": {
            "_target_": "DiceCELoss",
            "softmax": True,
            "to_onehot_y": True,
            "include_background": False,
            "batch": bool(results.configuration.get("batch_dice", False)),
        },
        "optimizer": {
            "_target_": "torch.optim.AdamW",
            "params": "$@network.parameters()",
            "lr": "@learning_rate",
            "weight_decay": 0.0001,
        },
        "lr_scheduler": {
            "_target_": "torch.optim.lr_scheduler.PolynomialLR",
            "optimizer": "@optimizer",
            "total_iters": "@max_epochs",
            "power": 0.9,
        },
        "train": _train(results, mirror_axes),
        "validate": _validate(results, classes),
        "initialize": ["$monai.utils.set_determinism(seed=0)"],
        "run": ["$@train#trainer.run()"],
    }


def evaluator(place: str = "") -> dict[str, Any]:
    """
    The engine that applies the network.

    Args:
        place: begins the ids of its parts, as in ``validate#``.
    """
    return {
        "_target_": "SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": f"@{place}dataloader",
        "network": "@network",
        "inferer": f"@{place}inferer",
        "postprocessing": f"@{place}postprocessing",
        "val_handlers": f"@{place}handlers",
        "amp": AMP,
    }


def inferer(results: Results) -> dict[str, Any]:
    """
    nnU-Net's sliding window.

    Args:
        results: of nnU-Net.
    """
    window = {"roi_size": results.configuration["patch_size"], "sw_batch_size": 2, "overlap": 0.5}
    return {"_target_": "monai_kd.transforms.EvenWindowInferer", **window}


def postprocessing(place: str) -> dict[str, Any]:
    """
    The transform that brings logits back to the grid of the file.

    Args:
        place: the id of the preprocessing.
    """
    return {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": f"@{place}",
        "orig_keys": "image",
        "nearest_interp": False,
        "to_tensor": True,
    }


def _train(results: Results, mirror_axes: tuple[int, ...]) -> Config:
    patch = [*([1] if results.is_flat else []), *results.configuration["patch_size"]]
    return {
        "deterministic_transforms": [
            loading(results, BOTH),
            preprocessing(results, BOTH),
            {"_target_": "SpatialPadd", "keys": BOTH, "spatial_size": patch},
        ],
        "random_transforms": _random(patch, results.is_flat, mirror_axes),
        "preprocessing": {
            "_target_": "Compose",
            "transforms": "$@train#deterministic_transforms + @train#random_transforms",
        },
        "dataset": {
            "_target_": "PersistentDataset",
            "data": _cases("training"),
            "transform": "@train#preprocessing",
            "cache_dir": "$@output_dir + '/cache'",
        },
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@train#dataset",
            "batch_size": results.configuration["batch_size"],
            "shuffle": True,
            "num_workers": 2,
        },
        "inferer": {"_target_": "SimpleInferer"},
        "handlers": [
            {"_target_": "LrScheduleHandler", "lr_scheduler": "@lr_scheduler", "print_lr": False},
            {
                "_target_": "ValidationHandler",
                "validator": "@validate#evaluator",
                "epoch_level": True,
                "interval": "@val_interval",
            },
            {"_target_": "StatsHandler", "tag_name": "train_loss", "output_transform": FIRST_LOSS},
        ],
        "trainer": {
            "_target_": "SupervisedTrainer",
            "max_epochs": "@max_epochs",
            "device": "@device",
            "train_data_loader": "@train#dataloader",
            "network": "@network",
            "loss_function": "@loss",
            "optimizer": "@optimizer",
            "inferer": "@train#inferer",
            "train_handlers": "@train#handlers",
            "amp": AMP,
        },
    }


def _random(patch: list[int], is_flat: bool, mirror_axes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Patches and augmentation; what moves pixels moves a stored answer of the teacher, too."""
    crop = {
        "_target_": "RandCropByPosNegLabeld",
        "keys": "@spatial_keys",
        "label_key": "label",
        "spatial_size": patch,
        **FOREGROUND,
        "num_samples": 1,
    }
    slices = [{"_target_": "SqueezeDimd", "keys": "@spatial_keys", "dim": 1}] if is_flat else []
    flips = [
        {"_target_": "RandFlipd", "keys": "@spatial_keys", "prob": 0.5, "spatial_axis": axis} for axis in mirror_axes
    ]
    return [
        crop,
        *slices,
        *flips,
        {"_target_": "RandGaussianNoised", "keys": "image", "prob": 0.1, "std": 0.1},
        {"_target_": "RandGaussianSmoothd", "keys": "image", "prob": 0.1},
        {"_target_": "RandScaleIntensityd", "keys": "image", "prob": 0.15, "factors": 0.25},
        {"_target_": "RandAdjustContrastd", "keys": "image", "prob": 0.15, "gamma": [0.7, 1.5], "retain_stats": True},
    ]


def _validate(results: Results, classes: int) -> Config:
    one_hot = {"_target_": "AsDiscreted", "keys": ["pred", "label"], "argmax": [True, False], "to_onehot": classes}
    return {
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [loading(results, BOTH), preprocessing(results, ["image"])],
        },
        "dataset": {"_target_": "Dataset", "data": _cases("validation"), "transform": "@validate#preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@validate#dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 2,
        },
        "inferer": inferer(results),
        "postprocessing": {"_target_": "Compose", "transforms": [postprocessing("validate#preprocessing"), one_hot]},
        "handlers": [
            {"_target_": "StatsHandler", "iteration_log": False},
            {
                "_target_": "CheckpointSaver",
                "save_dir": "@ckpt_dir",
                "save_dict": {"model": "@network"},
                "save_key_metric": True,
                "key_metric_filename": "model.pt",
            },
        ],
        "key_metric": {
            "val_mean_dice": {"_target_": "MeanDice", "include_background": False, "output_transform": PRED_AND_LABEL}
        },
        "evaluator": {**evaluator("validate#"), "key_val_metric": "@validate#key_metric"},
    }


def _cases(part: str) -> str:
    return f"$monai_kd.data.nnunet_cases(@dataset_dir, @file_ending, '{part}', @splits_file, @fold)"
