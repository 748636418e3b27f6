# SPDX-License-Identifier: Apache-2.0
"""Parts that several configs have."""

from typing import Any

from bundles.source.shared.task import Config

IMPORTS = ["$import os", "$from importlib.util import find_spec", "$import monai_kd"]
DATASET_DIR = {"dataset_dir": "$@bundle_root + '/data'"}
SPLIT = {"layout": None, "split_file": None, "fold": 0}
CROP_MARGINS = {"crop_margins": False}
DEVICE = {
    "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "amp": "$torch.device(@device).type == 'cuda'",
}
SPATIAL_SIZE = {"spatial_size": [224, 224]}
INFERER = {"_target_": "SimpleInferer"}
NORMALIZE = {"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 114.5, "divisor": 57.6}
BLACK = "$-{subtrahend} / {divisor}".format(**NORMALIZE)  # after normalization
PREDICTED = {"output_transform": "$monai.handlers.from_engine(['pred', 'label'])"}
LOAD_TEACHER = "$monai_kd.load_weights(@teacher_def, @teacher_checkpoint)"
NO_TEACHER_CHECKPOINT = {"inputs#teacher_checkpoint": None, "recorded#teacher_def": None}
RUN = "$@train#trainer.run()"
SEEN_IMAGES = {"seen_images": "refuse"}
USE_RECORDS = "$monai_kd.bundle.use_records(@recorded)"


def require_unseen(checkpoints: str, images: str) -> str:
    """A line of ``run``: the images of a score must be new to the networks of these checkpoints."""
    return f"$monai_kd.bundle.require_unseen({checkpoints}, {images}, @seen_images)"


# Not in "initialize", which also runs where no images are (`monai.bundle.load`). Faults of training images come first.
CHECK_IMAGES = ["$@train#dataset", require_unseen("@recorded", "@validate#dataset.data")]
BEGIN = [
    "$monai_kd.bundle.check_arguments()",
    "$@processes",
    "$monai_kd.utils.claim_outputs(@output_dir, @output_files, @inputs)",
    USE_RECORDS,
    "$torch.manual_seed(@seed)",
]


def run_folder(name: str) -> str:
    return f"$@bundle_root + '/runs/{name}'"


def model(name: str) -> str:
    return f"$@bundle_root + '/models/{name}.pt'"


def load(keys: Any) -> Config:
    return {"_target_": "monai_kd.data.LoadUltrasoundd", "keys": keys, "spatial_dims": 2, "eight_bit": True}


def crop_margins(keys: Any) -> Config:
    return {"_target_": "monai_kd.transforms.CropMarginsd", "_disabled_": "$not @crop_margins", "keys": keys}


def resize(keys: Any, modes: Any) -> Config:
    return {"_target_": "Resized", "keys": keys, "spatial_size": "@spatial_size", "mode": modes}


def to_device(keys: Any, **more: Any) -> Config:
    return {"_target_": "EnsureTyped", "keys": keys, "device": "@device", **more}


def compose(*transforms: Config) -> Config:
    return {"_target_": "Compose", "transforms": list(transforms)}


def progress(title: str) -> Config:
    return {"_target_": "ignite.handlers.ProgressBar", "desc": title, "disable": "@quiet"}


def copy_of_config(name: str) -> Config:
    return {"_target_": "monai_kd.handlers.ConfigCopyHandler", "path": f"$@output_dir + '/{name}_config.json'"}


def record_of(network: str, *values: str) -> str:
    """The record of a training, in which the id ``network`` is trained, for its checkpoint saver."""
    given = "".join(f", {name}=@{name}" for name in ("spatial_size", "crop_margins", *values))
    given += ", seen_images=monai_kd.bundle.seen_images(@train#dataset, @recorded)"
    return f"$monai_kd.bundle.training_record('{network}'{given})"


def choose_split(transforms: str, more: str = "", folder: str = "dataset_dir", prefix: str = "") -> str:
    chosen = f"@{folder}, layout=@{prefix}layout, split_file=@{prefix}split_file, fold=@fold"
    return f"$monai_kd.data.choose_split({chosen}, transform=@{transforms}{more})"
