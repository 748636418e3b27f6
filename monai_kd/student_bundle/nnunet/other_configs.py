# SPDX-License-Identifier: Apache-2.0
"""Inference, evaluation and metadata of an nnU-Net teacher's bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_kd.bundle.config_ids import Config
from monai_kd.student_bundle.nnunet.preprocessing import loading, preprocessing, saving
from monai_kd.student_bundle.nnunet.results import Results
from monai_kd.student_bundle.nnunet.train_config import DEVICE, IMPORTS, evaluator, inferer, postprocessing
from monai_kd.version import __version__

__all__ = ["evaluate_config", "inference_config", "metadata"]

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
PAPER = (
    'F. Isensee et al. "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation". '
    "Nature Methods 18, 2021, doi 10.1038/s41592-020-01008-z."
)


def inference_config(results: Results, network: dict[str, Any]) -> Config:
    """
    Masks of raw files, on the grid of each file; a file that cannot be read does not stop the others.

    Args:
        results: of nnU-Net.
        network: definition of the network.
    """
    largest = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
    return {
        "imports": IMPORTS,
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": f"nnUNet_raw/{results.plans['dataset_name']}",
        "file_ending": results.dataset["file_ending"],
        "device": DEVICE,
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [loading(results, ["image"]), preprocessing(results, ["image"])],
        },
        "dataset": {
            "_target_": "monai_kd.data.TolerantDataset",
            "data": "$monai_kd.data.nnunet_cases(@dataset_dir, @file_ending, 'inference')",
            "transform": "@preprocessing",
        },
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "num_workers": 0,
            "collate_fn": "$monai_kd.data.collate_tolerant",
        },
        "inferer": inferer(results),
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [postprocessing("preprocessing"), largest, saving(results)],
        },
        "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
        "evaluator": {**evaluator(), "_target_": "monai_kd.engines.InferenceEvaluator"},
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
            "map_location": "@device",
        },
        "initialize": ["$monai.utils.set_determinism(seed=0)", "$@checkpointloader(@evaluator)"],
        "run": ["$@evaluator.run()"],
    }


def evaluate_config() -> Config:
    """An overlay of the training: scores on the fold's validation cases, a table of each case among them."""
    return {
        "validate#handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@ckpt_dir + '/model.pt'",
                "load_dict": {"model": "@network"},
                "map_location": "@device",
            },
            {"_target_": "StatsHandler", "iteration_log": False},
            {
                "_target_": "MetricsSaver",
                "save_dir": "@output_dir",
                "metrics": ["val_mean_dice"],
                "metric_details": ["val_mean_dice"],
                "batch_transform": "$lambda batch: [item['image'].meta for item in batch]",
            },
        ],
        "initialize": ["$monai.utils.set_determinism(seed=0)"],
        "run": ["$@validate#evaluator.run()"],
    }


def metadata(results: Results, classes: Mapping[int, str], trainer: str) -> dict[str, Any]:
    """
    The bundle's ``metadata.json``.

    Args:
        results: of nnU-Net.
        classes: names by number.
        trainer: nnU-Net's.
    """
    dataset, patch = str(results.plans["dataset_name"]), list(results.configuration["patch_size"])
    folds = f"fold{'s' if len(results.folds) > 1 else ''} {', '.join(results.folds)}"
    image = {
        "type": "image",
        "format": "magnitude",
        "num_channels": len(results.channels),
        "spatial_shape": patch,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": dict(zip(map(str, range(len(results.channels))), results.channels, strict=True)),
    }
    pred = {
        "type": "image",
        "format": "segmentation",
        "num_channels": len(classes),
        "spatial_shape": patch,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": {str(number): name for number, name in classes.items()},
    }
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": f"translated from nnU-Net's {trainer} {results.name}"},
        "monai_version": "",
        "pytorch_version": "",
        "numpy_version": "",
        "required_packages_version": {"monai-kd": __version__},
        "name": f"{dataset} nnU-Net {results.name}",
        "task": f"segmentation of {dataset}",
        "description": f"nnU-Net's {results.name} of {dataset}, trained by {trainer}, {folds}.",
        "authors": "",
        "copyright": "",
        "data_source": f"{dataset} in nnU-Net's raw format.",
        "references": [PAPER],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
    }
