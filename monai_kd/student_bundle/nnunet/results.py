# SPDX-License-Identifier: Apache-2.0
"""A result folder of nnU-Net v2: what of it is read, and what it must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.utils.json_files import read_json

__all__ = ["CHECKPOINT", "Results", "is_results", "read_results"]

CHECKPOINT = "checkpoint_final.pth"
UNFINISHED = "checkpoint_best.pth"  # of a training that was stopped
FILES = ("plans.json", "dataset.json")
FOLD = re.compile(r"fold_(\d+|all)")
EXPECTED = "nnUNet_results/DatasetXXX_NAME/nnUNetTrainer__nnUNetPlans__2d, say"
RESAMPLING = "resample_data_or_seg_to_shape"


@dataclass(frozen=True)
class Results:
    """
    What nnU-Net left of a training.

    Args:
        root: holds plans.json, dataset.json and a folder for each fold.
        name: of the configuration, "2d" or "3d_fullres" for instance.
        plans: all configurations.
        configuration: the one of this training, with what it inherits.
        dataset: channels, labels and file ending.
        folds: the checkpoints, by the fold's name: "0" to "4", or "all".
        notes: folds that were left out, and why.
    """

    root: Path
    name: str
    plans: Mapping[str, Any]
    configuration: Mapping[str, Any]
    dataset: Mapping[str, Any]
    folds: Mapping[str, Path]
    notes: tuple[str, ...]

    @property
    def is_flat(self) -> bool:
        """Whether the network sees slices."""
        return len(self.configuration["patch_size"]) == 2

    @property
    def channels(self) -> list[str]:
        """Their names, in order."""
        named = self.dataset.get("channel_names") or self.dataset.get("modality") or {}
        return [str(named[key]) for key in sorted(named, key=int)]


def is_results(root: Path) -> bool:
    """
    Whether a folder is a result of nnU-Net v2, or a part of one or of several.

    Args:
        root: any folder.
    """
    return all((root / name).is_file() for name in FILES) or bool(_above(root) or _below(root))


def read_results(root: Path) -> Results:
    """
    Read the plans, the data set's description and the folds there are.

    Args:
        root: the folder.

    Raises:
        ValueError: When it holds no fold, or plans that are not read here.
    """
    if not all((root / name).is_file() for name in FILES):
        other = _above(root) or _below(root)
        raise ValueError(
            f"'{root}' is not one result of nnU-Net, which has {' and '.join(FILES)} beside its fold_0, fold_1 …. "
            f"Name one: {', '.join(map(str, other)) or EXPECTED}."
        )
    plans, dataset = (read_json(root / name, "Copy it again from the training.") for name in FILES)
    name = root.resolve().name.split("__")[-1]
    configuration = _configuration(root, plans, name)
    _require_known(root / "plans.json", plans, configuration)
    folds, notes = _folds(root)
    return Results(root, name, plans, configuration, dataset, folds, notes)


def _above(root: Path) -> list[Path]:
    """The result whose fold a folder is."""
    is_fold = FOLD.fullmatch(root.name) and (root.parent / "plans.json").is_file()
    return [root.parent] if is_fold else []


def _below(root: Path) -> list[Path]:
    """The results in the folder of a data set, or in that of all."""
    found = [*root.glob("*__*__*/plans.json"), *root.glob("Dataset*/*__*__*/plans.json")] if root.is_dir() else []
    return sorted(file.parent for file in found)


def _configuration(root: Path, plans: Any, name: str) -> dict[str, Any]:
    known = plans.get("configurations") if isinstance(plans, dict) else None
    if not isinstance(known, dict):
        raise ValueError(
            f"'{root / 'plans.json'}' has no 'configurations': it was not written by nnU-Net v2. Train with nnunetv2 "
            "2.4 or newer; results of version 1 cannot be read."
        )
    if name not in known:
        raise ValueError(
            f"The folder '{root.name}' ends in '{name}', and its plans have {', '.join(known)}. Give the folder its "
            "name back: TRAINER__PLANS__CONFIGURATION."
        )
    chain = [name]
    while (parent := known[chain[-1]].get("inherits_from")) is not None:
        if parent not in known or parent in chain:
            raise ValueError(f"'{root / 'plans.json'}': '{chain[-1]}' inherits from '{parent}', which leads nowhere.")
        chain.append(parent)
    merged: dict[str, Any] = {}
    for one in reversed(chain):
        merged |= known[one]
    return merged


def _require_known(file: Path, plans: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
    if "architecture" not in configuration:
        raise ValueError(
            f"'{file}' is of an nnU-Net before 2.4: it has no 'architecture'. Plan and train with nnunetv2 2.4 or "
            "newer."
        )
    lacking = [
        key
        for key in ("patch_size", "batch_size", "spacing", "normalization_schemes", "use_mask_for_norm")
        if key not in configuration
    ]
    lacking += [key for key in ("transpose_forward", "image_reader_writer", "dataset_name") if key not in plans]
    if lacking:
        raise ValueError(f"'{file}' lacks {', '.join(lacking)}. Copy it again, or plan with nnunetv2 2.4 or newer.")
    if configuration.get("previous_stage"):
        raise ValueError(
            f"'{file}': this configuration refines the answer of '{configuration['previous_stage']}' (a cascade), and "
            "a teacher sees the image alone. Take the folder of 2d, 3d_lowres or 3d_fullres."
        )
    functions = [configuration.get(f"resampling_fn_{what}") for what in ("data", "seg", "probabilities")]
    other = [name for name in functions if name != RESAMPLING]
    preprocessor = configuration.get("preprocessor_name", "DefaultPreprocessor")
    if other or preprocessor != "DefaultPreprocessor":
        raise ValueError(
            f"'{file}' preprocesses by {preprocessor} and resamples by {other[0] if other else RESAMPLING}. Known are "
            f"DefaultPreprocessor and {RESAMPLING}, nnU-Net's defaults: plan with the default planner."
        )


def _folds(root: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    named = {matched[1]: path for path in root.iterdir() if (matched := FOLD.fullmatch(path.name))}
    there = {name: path / CHECKPOINT for name, path in named.items() if (path / CHECKPOINT).is_file()}
    numbered = {name: there[name] for name in sorted(there, key=lambda name: (len(name), name)) if name != "all"}
    folds = numbered or there
    stopped = [f"fold_{name}" for name in sorted(named) if name not in there and (named[name] / UNFINISHED).is_file()]
    finish = (
        f"The training of {', '.join(stopped)} was stopped: finish it by nnUNetv2_train … --c, or copy {UNFINISHED} to "
        f"{CHECKPOINT} to take its weights"
    )
    if not folds:
        looked = ", ".join(f"fold_{name}" for name in sorted(named)) or "fold_0, fold_1 …"
        raise ValueError(
            f"'{root}' has no trained fold: none of {looked} holds a {CHECKPOINT}. "
            f"{finish if stopped else 'Train one: nnUNetv2_train DATASET CONFIGURATION 0'}."
        )
    notes = [f"fold {name} is left out: it has no {CHECKPOINT}" for name in sorted(named) if name not in there]
    if stopped:
        notes.append(finish)
    if "all" in there and numbered:
        notes.append("fold all is left out: it saw every case, and there are single folds")
    return folds, tuple(notes)
