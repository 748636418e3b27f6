# SPDX-License-Identifier: Apache-2.0
"""Overlays with views of an image for student and teacher, and the recipes for few labels."""

from typing import Any

from bundles.source.shared.methods import logits_kl, pathway, pathways
from bundles.source.shared.parts import BLACK
from bundles.source.shared.task import NOTHING, Config

FLIP = {"_target_": "monai_kd.transforms.BatchRandFlip", "prob": 0.5, "spatial_axis": 0}
CROP = {"_target_": "monai_kd.transforms.BatchRandScaleCrop", "roi_scale": 0.8}
WHOLE: Config = {"teacher": {"_target_": "monai_kd.transforms.View"}}
ALIGNED: Config = {"aligned": True}
SOFT_DICE = {"_target_": "monai_kd.losses.SoftDiceLoss"}


def view(geometry: list[Config], **more: Any) -> Config:
    return {"_target_": "monai_kd.transforms.View", "geometry": geometry, **more}


def affine(rotate: float, translate: float, scale: float) -> Config:
    return {
        "_target_": "monai_kd.transforms.BatchRandAffine",
        "prob": 1.0,
        "rotate_range": rotate,
        "translate_range": f"$[{translate} * side for side in @spatial_size]",
        "scale_range": [scale, scale],
    }


def noise(std: float) -> Config:
    return {"_target_": "monai_kd.transforms.BatchRandGaussianNoise", "prob": 0.5, "std": std}


STUDENT_VIEW = view(
    [CROP, FLIP, affine(0.3, 0.075, 0.2)],
    intensity=[
        noise(0.1),
        {
            "_target_": "monai_kd.transforms.BatchRandPixelDropout",
            "prob": 0.5,
            "dropout_prob": 0.01,
            "fill_value": BLACK,
        },
    ],
)
FEW_LABELS_VIEW = view(
    [FLIP, affine(0.35, 0.2, 0.3)],
    intensity=[
        {"_target_": "monai_kd.transforms.BatchRandScaleIntensity", "factors": 0.3, "prob": 0.8},
        {"_target_": "monai_kd.transforms.BatchRandShiftIntensity", "offsets": 0.3, "prob": 0.8},
        noise(0.2),
    ],
)


def views(student: Config, between: Config = NOTHING, **more: Any) -> Config:
    return {
        "views": {"_target_": "monai_kd.engines.PrepareBatchViews", "student": student, **more},
        **between,
        "train#random_transforms": [],
        "train#trainer#prepare_batch": "@views",
        "settings#views": "$repr(@views)",
    }


def patient(**more: Any) -> Config:
    """Train for many steps on few images, with a new view each time."""
    steps = {
        "steps_per_epoch": 50,
        "max_epochs": 48,
        "val_interval": "@max_epochs",
        "train#sampler#num_samples": "$@steps_per_epoch * @batch_size * int(os.environ.get('WORLD_SIZE', 1))",
    }
    return views(FEW_LABELS_VIEW, steps, **more)


def cached(network: Any, layers: Any) -> Config:
    return {
        "train#trainer#teacher": {
            "_target_": "monai_kd.CachedTeacher",
            "network": network,
            "layers": layers,
            "folder": "@teacher_cache",
        }
    }


def few_labels(**more: Config) -> Config:
    """Train a student on few labels and on a pool of images without labels; ``more`` are further pathways."""
    return {
        "unlabelled_dir": None,
        "teacher_cache": None,
        "supervised_weight": 0.3,
        "optimizer#fused": True,
        **pathways(logits=logits_kl(2.0, 0.7), **more),
        **cached({"_target_": "monai_kd.networks.FlipAverage", "network": "@teacher_def"}, [""]),
        "train#dataset#_target_": "monai_kd.data.PooledDataset",
        "train#dataset#unlabelled": "@unlabelled_dir",
        "inputs#unlabelled_dir": "@unlabelled_dir",
        "settings#unlabelled images": "$[@split.get('unlabelled', []), @unlabelled_dir]",
        **patient(**WHOLE, **ALIGNED),
    }


def overlap(weight: float) -> Config:
    return pathway(SOFT_DICE, weight)


WITH_VIEWS = {
    "recipes/patient": patient(),
    "views/shared": views(STUDENT_VIEW, **WHOLE),
    "views/plain_teacher": views(STUDENT_VIEW, **WHOLE, **ALIGNED),
    "views/weak_teacher": views(STUDENT_VIEW, teacher=view([CROP, FLIP]), **ALIGNED),
}
