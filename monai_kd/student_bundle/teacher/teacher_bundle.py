# SPDX-License-Identifier: Apache-2.0
"""Read a teacher's bundle, and check that another network can replace its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import monai.losses

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import CONFIGS, read_file, read_merged
from monai_kd.bundle.config_ids import Config, component_ids, find
from monai_kd.bundle.scripts import require_scripts
from monai_kd.student_bundle.config_parts import kind
from monai_kd.student_bundle.teacher.data_format import BY_HAND, DataFormat, read_format
from monai_kd.student_bundle.teacher.mending import mended
from monai_kd.student_bundle.teacher.monai_ids import with_monai_ids

__all__ = ["DEEP", "TRAINER", "TeacherBundle", "loss_of", "read_teacher"]

TRAINER = "train#trainer"
DEEP = "DeepSupervisionLoss"


@dataclass(frozen=True)
class TeacherBundle:
    """
    The teacher's bundle as far as a student's bundle needs it.

    Args:
        train: its training config, overlays merged.
        format: what its network takes and returns.
        network: id of the network's definition in ``train``.
        inference_network: id of the network's definition in ``inference``.
        renamed: MONAI's ids, by the ids that the files of ``train`` use instead.
        mended: what was changed in ``train`` for the installed MONAI and PyTorch.
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
        """The name in its metadata, or else its folder's."""
        return str(self.metadata.get("name") or self.root.resolve().name)


def read_teacher(root: Path, configs: Sequence[Path] = ()) -> TeacherBundle:
    """
    Read a bundle whose network is to be the teacher.

    Args:
        root: the bundle's folder.
        configs: its training config and overlays; empty means ``configs/train.json`` (or ``.yaml``).

    Raises:
        FileNotFoundError: When there is no bundle, or no config of training or inference.
        ValueError: When the bundle does not train one network from one image to one map with ``SupervisedTrainer``; the
            message says what was found and what to write by hand.
    """
    if not (root / CONFIGS).is_dir():
        raise FileNotFoundError(
            f"'{root}' is not a bundle: it has no folder 'configs', nor nnU-Net's plans.json and dataset.json. Name "
            "the folder of a bundle, or of an nnU-Net result."
        )
    folder, needed = BundleFolder(root), "The new bundle needs the teacher's {} config."
    metadata_file = folder.file("metadata", f"It describes the teacher's input and output. {BY_HAND}")
    metadata = read_file(metadata_file)
    data_format = read_format(metadata, str(metadata_file))
    other = f"{needed.format('training')} If it has another name, pass it with --config. {BY_HAND}"
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
            f"{file}: there is no component '{TRAINER}' (or 'trainer') that could become a DistillationTrainer. "
            f"{BY_HAND}"
        )
    target = str(trainer["_target_"])
    if target.split(".")[-1] != "SupervisedTrainer":
        raise ValueError(
            f"{file}: '{TRAINER}' is a {target}, but only a SupervisedTrainer can become a DistillationTrainer. "
            f"{BY_HAND}"
        )
    if trainer.get("iteration_update") is not None:
        raise ValueError(
            f"{file}: '{TRAINER}' has its own training step, iteration_update={trainer['iteration_update']!r}, which "
            f"would replace the distillation step. {BY_HAND}"
        )
    if "dataset_dir" not in train:
        raise ValueError(
            f"{file}: there is no id 'dataset_dir', which --dataset-dir needs. Add it to the teacher's config, and use "
            "it in the list of images."
        )
    loss = loss_of(train)
    if find(train, "network_def#deep_supervision") is True and not hasattr(monai.losses, kind(loss)):
        raise ValueError(
            f"{file}: the network is trained with deep supervision, on several outputs, by the loss {loss!r}, which "
            f"need not take the one output of a student. Use a loss of MONAI, in DeepSupervisionLoss. {BY_HAND}"
        )


def loss_of(train: Config) -> dict[str, Any]:
    """
    The component of a training's supervised loss, behind references; empty if it is no component.

    Example:
        >>> loss_of({"loss": {"_target_": "DiceLoss"}, "train": {"trainer": {"loss_function": "@loss"}}})
        {'_target_': 'DiceLoss'}
    """
    node = find(train, f"{TRAINER}#loss_function")
    while isinstance(node, str) and node.startswith("@"):
        node = find(train, node[1:].replace("::", "#"))
    return node if isinstance(node, dict) else {}


def _network(config: Config, engine: str, file: str) -> str:
    found = component_ids(config, engine)
    if len(found) != 1:
        several = f"{len(found)} networks: {', '.join(found)}" if found else f"{find(config, engine)!r}, no definition"
        raise ValueError(
            f"{file}: '{engine}' leads to {several}. It must lead to one network, written as a component: "
            f'"network_def": {{"_target_": …}} and "network": "$@network_def.to(@device)". {BY_HAND}'
        )
    return found[0]
