# SPDX-License-Identifier: Apache-2.0
"""A teacher's bundle: what of it is read, and what it must be for another network to be put in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import CONFIGS, read_file, read_merged
from monai_kd.bundle.config_ids import Config, component_ids, find
from monai_kd.bundle.scripts import require_scripts
from monai_kd.student_bundle.teacher.data_format import BY_HAND, DataFormat, read_format
from monai_kd.student_bundle.teacher.mending import mended
from monai_kd.student_bundle.teacher.monai_ids import with_monai_ids

__all__ = ["TRAINER", "TeacherBundle", "read_teacher"]

TRAINER = "train#trainer"


@dataclass(frozen=True)
class TeacherBundle:
    """
    What a student's bundle is made of.

    Args:
        root: the bundle's folder.
        train: its training config, overlays merged.
        inference: its inference config.
        metadata: its metadata.
        format: what its network takes and gives.
        network: the id of the network's definition in ``train``.
        inference_network: the same in ``inference``.
        train_files: the files of ``train``.
        inference_file: that of ``inference``.
        renamed: MONAI's ids by those that the files of ``train`` have instead.
        mended: what of ``train`` was changed for the installed MONAI and PyTorch.
    """

    root: Path
    train: Config
    inference: Config
    metadata: dict[str, Any]
    format: DataFormat
    network: str
    inference_network: str
    train_files: tuple[Path, ...]
    inference_file: Path
    renamed: dict[str, str]
    mended: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As its metadata calls it."""
        return str(self.metadata.get("name") or self.root.resolve().name)


def read_teacher(root: Path, configs: Sequence[Path] = ()) -> TeacherBundle:
    """
    Read a bundle whose network is to be a teacher.

    Args:
        root: the bundle's folder.
        configs: its training config and the overlays of it; none takes ``configs/train.json`` (or ``.yaml``).

    Raises:
        FileNotFoundError: When there is no bundle, or no config of training or inference.
        ValueError: When the bundle is other than a network trained by ``SupervisedTrainer`` from one image to one map;
            the message tells what was found and what to write by hand.
    """
    if not (root / CONFIGS).is_dir():
        raise FileNotFoundError(f"No bundle in '{root}': it has no folder 'configs'. Name a bundle's folder.")
    folder, needed = BundleFolder(root), "The new bundle's {} is the teacher's own."
    metadata_file = folder.file("metadata", f"It says what the teacher takes and gives. {BY_HAND}")
    metadata = read_file(metadata_file)
    data_format = read_format(metadata, str(metadata_file))
    other = f"{needed.format('training')} A training config of another name is given by --config. {BY_HAND}"
    train_files = tuple(configs) or (folder.file("train", other),)
    inference_file = folder.file("inference", f"{needed.format('inference')} {BY_HAND}")
    merged, notes = mended(read_merged(train_files))
    train, renamed = with_monai_ids(merged)
    inference = read_merged([inference_file])
    _require_supervised(train, str(train_files[0]))
    for config, file in ((train, train_files[0]), (inference, inference_file)):
        require_scripts(config, root, str(file))
    return TeacherBundle(
        root=root,
        train=train,
        inference=inference,
        metadata=metadata,
        format=data_format,
        network=_network(train, f"{TRAINER}#network", str(train_files[0])),
        inference_network=_network(inference, "evaluator#network", str(inference_file)),
        train_files=train_files,
        inference_file=inference_file,
        renamed=renamed,
        mended=tuple(notes),
    )


def _require_supervised(train: Config, file: str) -> None:
    trainer = find(train, TRAINER)
    if not isinstance(trainer, dict) or "_target_" not in trainer:
        raise ValueError(
            f"{file}: there is no component '{TRAINER}' (nor 'trainer') to become the distilling one. {BY_HAND}"
        )
    target = str(trainer["_target_"])
    if target.split(".")[-1] != "SupervisedTrainer":
        raise ValueError(
            f"{file}: '{TRAINER}' is a {target}, and only a SupervisedTrainer can be turned into a "
            f"DistillationTrainer. {BY_HAND}"
        )
    if trainer.get("iteration_update") is not None:
        raise ValueError(
            f"{file}: '{TRAINER}' has a training step of its own, iteration_update={trainer['iteration_update']!r}, "
            f"which would take the place of the one that distils. {BY_HAND}"
        )
    if "dataset_dir" not in train:
        raise ValueError(
            f"{file}: there is no id 'dataset_dir', by which --dataset_dir would reach the data. Add it to the "
            "teacher's config, and let its list of images use it."
        )
    deep = find(train, "network_def#deep_supervision") is True or "DeepSupervision" in str(train.get("loss"))
    if deep:
        raise ValueError(
            f"{file}: the network is trained with deep supervision, several outputs at once, and the student gives "
            f"one. Set deep_supervision to false and the loss to that of one output. {BY_HAND}"
        )


def _network(config: Config, engine: str, file: str) -> str:
    found = component_ids(config, engine)
    if len(found) != 1:
        several = f"{len(found)} networks: {', '.join(found)}" if found else f"{find(config, engine)!r}, no definition"
        raise ValueError(
            f"{file}: '{engine}' leads to {several}. One is needed, written as a component: "
            f'"network_def": {{"_target_": …}} and "network": "$@network_def.to(@device)". {BY_HAND}'
        )
    return found[0]
