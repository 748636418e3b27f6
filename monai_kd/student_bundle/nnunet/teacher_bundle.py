# SPDX-License-Identifier: Apache-2.0
"""A teacher's folder as a bundle: as it is, or translated from nnU-Net's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_kd.bundle.config_files import CONFIGS, write_config
from monai_kd.data.datasets.nnunet_cases import read_fold
from monai_kd.student_bundle.nnunet.folds import read_folds
from monai_kd.student_bundle.nnunet.labels import read_classes
from monai_kd.student_bundle.nnunet.network import network_definition, require_package, require_weights
from monai_kd.student_bundle.nnunet.other_configs import evaluate_config, inference_config, metadata
from monai_kd.student_bundle.nnunet.results import is_results, read_results
from monai_kd.student_bundle.nnunet.splits import FILE, find_splits
from monai_kd.student_bundle.nnunet.train_config import train_config
from monai_kd.utils.checkpoints import save_checkpoint

__all__ = ["opened_teacher", "write_teacher"]


@contextmanager
def opened_teacher(root: Path, dataset_dir: str | Path, fold: int | None = None) -> Iterator[tuple[Path, list[str]]]:
    """
    The bundle of a teacher, for as long as it is read.

    Args:
        root: a bundle, or nnU-Net's ``TRAINER__PLANS__CONFIGURATION``, which is translated into a temporary folder.
        dataset_dir: nnU-Net's raw data, beside which its splits may lie.
        fold: of nnU-Net's splits, for the student. Defaults to the first fold of the result.

    Yields:
        The bundle's folder, and what should be known of it.

    Raises:
        FileNotFoundError: When nnU-Net's splits are not found.
        ValueError: When nnU-Net's folder is unusable.
    """
    if (root / CONFIGS).is_dir() or not is_results(root):
        yield root, []
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / root.resolve().name
        yield folder, write_teacher(root, Path(dataset_dir), folder, fold)


def write_teacher(root: Path, dataset_dir: Path, folder: Path, fold: int | None = None) -> list[str]:
    """
    Write a bundle whose network is that of nnU-Net's folds, and whose training is on nnU-Net's cases.

    Args:
        root: nnU-Net's ``TRAINER__PLANS__CONFIGURATION``.
        dataset_dir: the raw data.
        folder: of the bundle.
        fold: as for :func:`opened_teacher`.

    Returns:
        Which folds it is made of, which not, and whose splits.

    Raises:
        FileNotFoundError: When the splits are not found.
        ImportError: When the package of the network is not installed.
        ValueError: When the folder is unusable.
    """
    results = read_results(root)
    classes = read_classes(results.dataset, root / "dataset.json")
    require_package(results.configuration["architecture"]["network_class_name"], root / "plans.json")
    splits = find_splits(root, str(results.plans["dataset_name"]), dataset_dir)
    folds = read_folds(results.folds, results.name)
    network = network_definition(results.configuration, len(results.channels), len(classes), len(results.folds))
    require_weights(network, folds.state, root)
    train = train_config(results, network, len(classes), folds.mirror_axes)
    if fold is not None:
        read_fold(splits, fold)  # refused by the name of nnU-Net's own file
        train["fold"] = fold
    configs = {
        "train": train,
        "inference": inference_config(results, network),
        "evaluate": evaluate_config(),
        "metadata": metadata(results, classes, folds.trainer),
    }
    for name, config in configs.items():
        write_config(folder / CONFIGS / f"{name}.json", config)
    shutil.copyfile(splits, folder / CONFIGS / FILE)
    save_checkpoint(folds.state, folder / "models" / "model.pt")
    names = ", ".join(results.folds)
    used = f"folds {names}, the mean of their logits" if len(results.folds) > 1 else f"fold {names}"
    told = [
        f"The teacher is nnU-Net's {results.name}, {used}.",
        f"The student trains on fold {train['fold']} of '{splits}'; --set fold=N takes another.",
    ]
    return [*told, *(f"{note[0].upper()}{note[1:]}." for note in results.notes)]
