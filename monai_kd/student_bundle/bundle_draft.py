# SPDX-License-Identifier: Apache-2.0
"""Prepare a new bundle: read the teacher's, make the configs, and run both networks once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_kd.bundle.config_ids import Config, find, references, set_values
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.networks import ClassSubset
from monai_kd.packing.network_sources import carry_definition
from monai_kd.student_bundle.class_choice import DATASETS, ClassChoice, choose_classes
from monai_kd.student_bundle.configs.metadata import record
from monai_kd.student_bundle.configs.other_configs import inference_config, overlays, unreadable
from monai_kd.student_bundle.configs.train_config import keep_all_heads, train_config
from monai_kd.student_bundle.layer_pairs import Pair, propose_pairs
from monai_kd.student_bundle.logits_method import choose_method, has_sigmoid, logits_pathway
from monai_kd.student_bundle.nnunet.answers import store_answers
from monai_kd.student_bundle.student_definition import student_definition
from monai_kd.student_bundle.teacher.data_folder import absolute, data_folder, require_folder
from monai_kd.student_bundle.teacher.data_format import DataFormat
from monai_kd.student_bundle.teacher.label_checks import check_labels, ignored_values, label_rounding
from monai_kd.student_bundle.teacher.label_rounding import ROUNDING, add_rounding
from monai_kd.student_bundle.teacher.networks import Probed, build, probe, probe_training
from monai_kd.student_bundle.teacher.teacher_bundle import TRAINER, TeacherBundle, read_teacher
from monai_kd.student_bundle.teacher.teacher_weights import find_weights, fit, read_weights

__all__ = ["Draft", "Request", "make_draft"]

SOURCES = "scripts.distilled"  # beside the teacher's own scripts
WEIGHT = 0.5  # of all distillation terms together; the labels have the other half


@dataclass(frozen=True)
class Request:
    """
    The user's choices for a new bundle.

    Args:
        teacher: the folder of the teacher's bundle.
        student: a name or a file.
        dataset_dir: folder of the data; a slash at its end is kept, because some configs need it.
        method: how logits are compared, or "hidden"; None chooses by the teacher's output activation.
        configs: the teacher's training config and overlays, if it is not ``configs/train.json``.
        weights: the teacher's weights, if they are not ``models/model.pt`` or ``.ts``.
        settings: values by id.
        epochs: of training; None takes the teacher's.
        inference_dir: folder of the inference's data, if it is not ``dataset_dir``.
        round_labels: replace each pixel of a label by the nearest class.
        classes: of the teacher that the student learns, as :func:`choose_classes` reads them; None means all.

    Raises:
        FileNotFoundError: From the properties, when the teacher, its weights or the student do not exist.
        ValueError: From the properties, when one of them is unusable.
    """

    teacher: Path
    student: str
    dataset_dir: str | Path
    method: str | None = None
    configs: Sequence[Path] = ()
    weights: Path | None = None
    settings: Mapping[str, Any] | None = None
    epochs: int | None = None
    inference_dir: str | Path | None = None
    round_labels: bool = False
    classes: str | None = None

    @cached_property
    def bundle(self) -> TeacherBundle:
        """The teacher's bundle."""
        return read_teacher(self.teacher, self.configs)

    @cached_property
    def choice(self) -> ClassChoice | None:
        """The student's classes, if they are not all of the teacher's."""
        if self.classes is None:
            return None
        return choose_classes(self.classes, self.bundle.format, has_sigmoid(self.bundle.train))

    @property
    def format(self) -> DataFormat:
        """What the student takes and returns."""
        return self.choice.student if self.choice else self.bundle.format

    @cached_property
    def weights_file(self) -> Path:
        """The file of the teacher's weights."""
        return find_weights(self.teacher, self.weights, self.bundle.inference)

    @cached_property
    def data(self) -> str:
        """
        The absolute folder of the data, with a slash at its end if one was given or the teacher's configs need it.
        """
        return self._folder(data_folder(self.dataset_dir, self._configs, self.settings), "--dataset-dir")

    @cached_property
    def inference_data(self) -> str:
        """The folder of the inference's data, in the same form."""
        if self.inference_dir is None:
            return self.data
        return self._folder(data_folder(self.inference_dir, self._configs), "--inference-dataset-dir")

    @property
    def _configs(self) -> tuple[Config, Config]:
        return self.bundle.train, self.bundle.inference

    def _folder(self, folder: str, option: str) -> str:
        require_folder(folder, option)
        return absolute(folder)

    @cached_property
    def record(self) -> dict[str, Any]:
        """The record of the bundle that this request makes, without the pairs of layers."""
        with importable_scripts(self.bundle.root):
            definition = student_definition(self.student, self.format)
        method, _ = choose_method(self.method, self.bundle.train, self.format.out_channels)
        settings = _settings(self, self.bundle.train)
        rounded = {ROUNDING: True} if self.round_labels else {}
        chosen = {"classes": self.choice.names} if self.choice else {}
        return record(self.bundle, self.weights_file, definition, method=method, settings=settings, **rounded, **chosen)


@dataclass(frozen=True)
class Draft:
    """
    A new bundle that is ready to be written.

    Args:
        format: what the student takes and returns.
        configs: the new configs, by name.
        left_out: configs of the teacher's bundle that are not usable for the student.
        weights: the file of the teacher's weights; ``state`` is its content.
        pairs: proposed pairs of layers.
        logits: how logits are compared, a name of ``LOSSES``.
        made: the record of what the bundle is made from.
        notes: sentences for the user.
        sources: source files of the student's network, by their path in the bundle.
    """

    bundle: TeacherBundle
    format: DataFormat
    configs: dict[str, Config]
    left_out: list[str]
    weights: Path
    state: dict[str, torch.Tensor]
    student: Probed
    teacher: Probed
    pairs: list[Pair]
    logits: str
    made: dict[str, Any]
    notes: list[str]
    sources: dict[str, str]


def make_draft(request: Request) -> Draft:
    """
    Prepare everything of a new bundle except the choice of layers.

    Raises:
        FileNotFoundError: When the teacher, its weights, the student or the data do not exist.
        ValueError: When one of them is unusable; the message says what was found and what to do.
    """
    data, _ = request.data, request.inference_data
    made, bundle = request.record, request.bundle
    _, logits = choose_method(request.method, bundle.train, request.format.out_channels)
    definition = made["student"]
    pathways = {"_target_": "monai_kd.Pathways", "logits": logits_pathway(logits, WEIGHT)}
    train = train_config(bundle, definition, pathways)
    if request.choice:
        request.choice.reduce_teacher(train)
    store_answers(train)
    further, left_out = overlays(bundle, definition, train)
    configs = {
        "train": train,
        "inference": inference_config(bundle, definition),
        **further,
    }
    set_values(configs.values(), made["settings"], f"the new configs ({', '.join(configs)})")
    inference = configs["inference"]
    inference["network_def"], sources = carry_definition(inference["network_def"], SOURCES)
    state = read_weights(request.weights_file)
    with importable_scripts(bundle.root):
        parser = _parser(train, bundle, data)
        if request.round_labels or request.choice:
            _change_labels(request, configs, parser)
            parser = _parser(train, bundle, data)
        teacher = _teacher(request, parser, state)
        student = probe(build(parser, "network_def", "student"), request.format, "student")
        if probe_training(student.network, request.format):
            keep_all_heads(train)
        notes = [*bundle.mended, *check_labels(parser, train, request.format), *unreadable(bundle)]
    classes = request.format.out_channels, bundle.format.out_channels
    pairs = propose_pairs(student.network, student.layers, teacher.network, teacher.layers, classes)
    return Draft(
        bundle, request.format, configs, left_out, request.weights_file, state, student, teacher, pairs, logits, made,
        notes, sources,
    )  # fmt: skip


def _change_labels(request: Request, configs: dict[str, Config], parser: ConfigParser) -> None:
    """Round the labels to the classes, and choose the student's among them, in every config that has labels."""
    train, choice = configs["train"], request.choice
    rounded = [label_rounding(parser, train, request.bundle.format.out_channels)] if request.round_labels else []
    if choice:
        choice.select(configs, parser, rounded, ignored_values(train))
        return
    for name, config in configs.items():
        if name != "inference":
            add_rounding(config, rounded[0], DATASETS)


def _teacher(request: Request, parser: ConfigParser, state: dict[str, torch.Tensor]) -> Probed:
    network = build(parser, "teacher_def", "teacher")
    fit(network, state, request.weights_file)
    teacher = probe(network, request.bundle.format, "teacher")
    if request.choice is None:
        return teacher
    return probe(ClassSubset(network, **request.choice.subset), request.format, "teacher")


def _parser(train: Config, bundle: TeacherBundle, data: str) -> ConfigParser:
    parser = ConfigParser(copy.deepcopy(train))
    parser["bundle_root"], parser["dataset_dir"] = str(bundle.root), data
    return parser


def _settings(request: Request, train: Config) -> dict[str, Any]:
    settings = dict(request.settings or {})
    if request.epochs is not None:
        name = f"{TRAINER}#max_epochs"
        elsewhere = references(find(train, name))  # a schedule may use the same id
        settings[elsewhere[0] if elsewhere else name] = request.epochs
    return settings
