# SPDX-License-Identifier: Apache-2.0
"""Folders as nnU-Net v2 leaves them, made without nnU-Net, and raw data in its format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from PIL import Image
from torch import nn

NAME = "Dataset007_Balls"
LABELS = {"background": 0, "ball": 1}
RESAMPLING = "resample_data_or_seg_to_shape"


class TinyNet(nn.Module):
    """Takes the arguments that nnU-Net gives its networks."""

    def __init__(self, input_channels, num_classes, features, conv_op, deep_supervision):
        super().__init__()
        assert not deep_supervision
        self.inside = nn.Sequential(conv_op(input_channels, features, 3, padding=1), nn.ReLU())
        self.head = conv_op(features, num_classes, 1)

    def forward(self, image):
        return self.head(self.inside(image))


def plans(name: str, flat: bool, dataset: str = NAME, reader: str = "", **changes: Any) -> dict[str, Any]:
    configuration = {
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [32, 32] if flat else [16, 24, 24],
        "spacing": [1.0, 1.0] if flat else [2.0, 1.0, 1.0],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        **{f"resampling_fn_{what}": RESAMPLING for what in ("data", "seg", "probabilities")},
        "architecture": {
            "network_class_name": f"{__name__}.TinyNet",
            "arch_kwargs": {"features": 4, "conv_op": f"torch.nn.modules.conv.Conv{2 if flat else 3}d"},
            "_kw_requires_import": ["conv_op"],
        },
        "batch_dice": flat,
        **changes,
    }
    return {
        "dataset_name": dataset,
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "image_reader_writer": reader or ("NaturalImage2DIO" if flat else "SimpleITKIO"),
        "configurations": {"base": configuration, name: {"inherits_from": "base"}},
        "foreground_intensity_properties_per_channel": {},
    }


def make_results(
    folder: Path,
    flat: bool = True,
    folds: tuple[str, ...] = ("0", "1"),
    labels: Any = None,
    dataset: str = NAME,
    **changes: Any,
) -> Path:
    """``nnUNet_results``, ``nnUNet_preprocessed`` and ``nnUNet_raw`` in a folder; the path of the one result."""
    name = "2d" if flat else "3d_fullres"
    root = folder / "nnUNet_results" / dataset / f"nnUNetTrainer__nnUNetPlans__{name}"
    root.mkdir(parents=True)
    planned = plans(name, flat, dataset, **changes)
    (root / "plans.json").write_text(json.dumps(planned))
    ending = ".png" if flat else ".nii.gz"
    described = {"channel_names": {"0": "gray"}, "labels": labels or LABELS, "numTraining": 4, "file_ending": ending}
    (root / "dataset.json").write_text(json.dumps(described))
    for fold in folds:
        save_fold(root, fold, name, flat, len(labels or LABELS))
    cases = make_raw(folder / "nnUNet_raw" / dataset, flat)
    splits = [{"train": cases[:3], "val": cases[3:]}, {"train": cases[1:], "val": cases[:1]}]
    preprocessed = folder / "nnUNet_preprocessed" / dataset
    preprocessed.mkdir(parents=True)
    (preprocessed / "splits_final.json").write_text(json.dumps(splits))
    return root


def save_fold(root: Path, fold: str, name: str, flat: bool, classes: int = 2) -> None:
    torch.manual_seed(int(fold) if fold.isdigit() else 9)
    conv = nn.Conv2d if flat else nn.Conv3d
    content = {
        "network_weights": TinyNet(1, classes, 4, conv, False).state_dict(),
        "optimizer_state": {},
        "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "epoch": np.int64(3)},
        "_best_ema": np.float64(0.5),
        "init_args": {"configuration": name, "fold": fold, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1) if flat else (0, 1, 2),
    }
    (root / f"fold_{fold}").mkdir(exist_ok=True)
    torch.save(content, root / f"fold_{fold}" / "checkpoint_final.pth")


def make_raw(root: Path, flat: bool, labelled: int = 4) -> list[str]:
    """Labelled cases and two for inference: a bright ball on noise; volumes in odd orientations."""
    for name in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (root / name).mkdir(parents=True)
    for number in range(labelled + 2):
        part, case = "Tr" if number < labelled else "Ts", f"ball.{number}"  # nnU-Net takes a dot in a name
        image, mask = ball(number, 2 if flat else 3)
        for kind, array, suffix in (("images", image, "_0000"), ("labels", mask, "")):
            file = root / f"{kind}{part}" / f"{case}{suffix}"
            if flat:
                Image.fromarray(array).save(f"{file}.png")
            else:
                nibabel.save(turned(array, number), f"{file}.nii.gz")
    return [f"ball.{number}" for number in range(labelled)]


def ball(number: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    sides = (40, 36) if dims == 2 else (26, 22, 14)
    places = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"))
    center = np.array([side / 2 + random.uniform(-2, 2) for side in sides]).reshape(-1, *[1] * dims)
    mask = ((places - center) ** 2).sum(0) < (min(sides) / 3) ** 2
    return (random.uniform(1, 90, sides) + 120 * mask).astype(np.uint8), mask.astype(np.uint8)


def turned(array: np.ndarray, number: int) -> nibabel.Nifti1Image:
    """A volume as another scanner stores it: axes swapped and flipped, voxels of other sides, an oblique view."""
    angle = 0.1 * number
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.9, 1.1, 1.5 + 0.25 * number])
    affine[:3, 3] = [10, -20, 30 + number]
    image = nibabel.Nifti1Image(array, affine)
    code = ("RAS", "LPS", "RPS", "LAS", "PIR", "SLA")[number]
    image = image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(code)))
    return nibabel.Nifti1Image(np.ascontiguousarray(image.dataobj), image.affine)
