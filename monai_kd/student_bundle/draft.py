# SPDX-License-Identifier: Apache-2.0
"""A new bundle before it is written: everything that can be found out is found out here."""

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
from monai_kd.packing.network_sources import carry_definition
from monai_kd.student_bundle.configs.metadata import record
from monai_kd.student_bundle.configs.other_configs import inference_config, overlays, unreadable
from monai_kd.student_bundle.configs.train_config import train_config
from monai_kd.student_bundle.methods import choose_method, logits_pathway
from monai_kd.student_bundle.pairs import Pair, propose_pairs
from monai_kd.student_bundle.student import student_definition
from monai_kd.student_bundle.teacher.data_folder import absolute, data_folder, require_folder
from monai_kd.student_bundle.teacher.labels import check_labels, round_labels
from monai_kd.student_bundle.teacher.networks import Probed, build, probe, probe_training
from monai_kd.student_bundle.teacher.rounding import ROUNDING
from monai_kd.student_bundle.teacher.teacher_bundle import TRAINER, TeacherBundle, read_teacher
from monai_kd.student_bundle.teacher.weights import find_weights, fit, read_weights

__all__ = ["Draft", "Request", "make_draft"]

SOURCES = "scripts.distilled"  # beside the teacher's own scripts
WEIGHT = 0.5  # of all that is distilled; the labels have the other half


@dataclass(frozen=True)
class Request:
    """
    What is asked for.

    Args:
        teacher: the bundle's folder.
        student: a name or a file.
        dataset_dir: the data; a slash at its end stays.
        method: how logits are compared, or "hidden"; None leaves it to the teacher's head.
        configs: the teacher's training config and overlays, if it is not ``configs/train.json``.
        weights: the teacher's, if they are not ``models/model.pt`` or ``.ts``.
        settings: values by id.
        epochs: of training; None takes the teacher's.
        inference_dir: the data of the inference, where they are not in ``dataset_dir``.
        round_labels: give each pixel of a label the nearest class.

    Raises:
        FileNotFoundError: From the properties, when teacher, weights or student are not there.
        ValueError: From the properties, when they are unusable.
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

    @cached_property
    def bundle(self) -> TeacherBundle:
        """The teacher's."""
        return read_teacher(self.teacher, self.configs)

    @cached_property
    def weights_file(self) -> Path:
        """The teacher's."""
        return find_weights(self.teacher, self.weights, self.bundle.inference)

    @cached_property
    def data(self) -> str:
        """The folder of the data, absolute, with a slash at its end if it was given or the teacher needs it."""
        return self._folder(data_folder(self.dataset_dir, self._configs, self.settings), "--dataset_dir")

    @cached_property
    def inference_data(self) -> str:
        """The same of the inference."""
        if self.inference_dir is None:
            return self.data
        return self._folder(data_folder(self.inference_dir, self._configs), "--inference_dataset_dir")

    @property
    def _configs(self) -> tuple[Config, Config]:
        return self.bundle.train, self.bundle.inference

    def _folder(self, folder: str, option: str) -> str:
        require_folder(folder, option)
        return absolute(folder)

    @cached_property
    def record(self) -> dict[str, Any]:
        """Of the bundle that this request makes, without its pairs."""
        with importable_scripts(self.bundle.root):
            definition = student_definition(self.student, self.bundle.format)
        method, _ = choose_method(self.method, self.bundle.train, self.bundle.format.out_channels)
        settings = _settings(self, self.bundle.train)
        rounded = {ROUNDING: True} if self.round_labels else {}
        return record(self.bundle, self.weights_file, definition, method=method, settings=settings, **rounded)


@dataclass(frozen=True)
class Draft:
    """
    A bundle that can be written.

    Args:
        bundle: the teacher's.
        configs: the new ones, by name.
        left_out: configs of the teacher's that do not serve the student.
        weights: the file of the teacher's weights.
        state: what is in it.
        student: the network.
        teacher: the network.
        pairs: proposed.
        logits: how logits are compared.
        made: the record.
        notes: what should be known.
        sources: of the student's network, by their path in the bundle, for an inference by stock MONAI.
    """

    bundle: TeacherBundle
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
    Everything of a new bundle but the choice of layers.

    Args:
        request: of a bundle.

    Returns:
        What can be written once the pairs of layers are chosen.

    Raises:
        FileNotFoundError: When teacher, weights, student or data are not there.
        ValueError: When one of them is unusable; the message tells what was found and what to do.
    """
    data, _ = request.data, request.inference_data
    made, bundle = request.record, request.bundle
    _, logits = choose_method(request.method, bundle.train, bundle.format.out_channels)
    definition = made["student"]
    pathways = {"_target_": "monai_kd.Pathways", "logits": logits_pathway(logits, WEIGHT)}
    train = train_config(bundle, definition, pathways)
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
        parser = _parser(configs["train"], bundle, data)
        if request.round_labels:
            round_labels(configs, parser, bundle.format.out_channels)
            parser = _parser(configs["train"], bundle, data)
        network = build(parser, "teacher_def", "teacher")
        fit(network, state, request.weights_file)
        teacher = probe(network, bundle.format, "teacher")
        student = probe(build(parser, "network_def", "student"), bundle.format, "student")
        probe_training(student.network, bundle.format)
        notes = [*bundle.mended, *check_labels(parser, configs["train"], bundle.format), *unreadable(bundle)]
    classes = bundle.format.out_channels
    pairs = propose_pairs(student.network, student.layers, teacher.network, teacher.layers, classes)
    return Draft(
        bundle, configs, left_out, request.weights_file, state, student, teacher, pairs, logits, made, notes, sources
    )


def _parser(train: Config, bundle: TeacherBundle, data: str) -> ConfigParser:
    parser = ConfigParser(copy.deepcopy(train))
    parser["bundle_root"], parser["dataset_dir"] = str(bundle.root), data
    return parser


def _settings(request: Request, train: Config) -> dict[str, Any]:
    settings = dict(request.settings or {})
    if request.epochs is not None:
        name = f"{TRAINER}#max_epochs"
        elsewhere = references(find(train, name))  # schedules may look at the same id
        settings[elsewhere[0] if elsewhere else name] = request.epochs
    return settings
