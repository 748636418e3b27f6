# SPDX-License-Identifier: Apache-2.0
"""The rows of a latency report: a student's forms, its teacher, and networks of MONAI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from monai.networks.nets import BasicUNet, FlexibleUNet, SegResNet, UNet
from torch import nn

from monai_kd.bundle.open_bundle import open_bundle
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.export.export_folder import Exported, open_export
from monai_kd.export.forms import FORMS, load_form
from monai_kd.export.forms.form import Arrays, Runner, around, run_module
from monai_kd.export.graph import segmenter
from monai_kd.teachers import load_weights

__all__ = ["PEERS", "Candidate", "forms_of", "peers_of", "teacher_of"]

PEERS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "BasicUNet": lambda dims, channels, classes: BasicUNet(dims, channels, classes),
    "UNet": lambda dims, channels, classes: UNet(
        dims, channels, classes, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2
    ),
    "SegResNet": lambda dims, channels, classes: SegResNet(dims, 8, channels, classes),
    "FlexibleUNet": lambda dims, channels, classes: FlexibleUNet(
        channels, classes, "efficientnet-b0", pretrained=False, spatial_dims=dims
    ),
}


@dataclass(frozen=True)
class Candidate:
    """
    One row of the report.

    Args:
        name: of the row.
        load: makes the function that runs the network, for one image shape or, if the shape is None, for any.
        libraries: modules that the function needs.
        parameters: number of parameters.
        megabytes: size of its files, in 10⁶ bytes.
        reference: the row with which its Dice is compared; None for an untrained network.
    """

    name: str
    load: Callable[[tuple[int, ...] | None], Runner]
    libraries: tuple[str, ...]
    parameters: int
    megabytes: float
    reference: str | None


def forms_of(path: Path, threads: int) -> tuple[Exported, list[Candidate]]:
    """
    An export, and its rows: the student in PyTorch and in its exported forms.

    Args:
        path: an export's folder, or a file in it for this form only.
        threads: CPU threads.
    """
    exported, chosen = open_export(path)
    name = exported.folder.name
    parameters = _count(exported.module().network)
    first = f"{name}, PyTorch"
    size = exported.checkpoint.stat().st_size / 1e6
    rows = [Candidate(first, partial(_pytorch, exported.folder), ("monai_kd.export",), parameters, size, first)]
    for form in (FORMS[one] for one in chosen):
        load = partial(_exported, exported.folder, form.name, threads)
        size = sum((exported.folder / file).stat().st_size for file in form.files) / 1e6
        libraries = ("monai_kd.export", form.packages[-1] if form.packages else "torch")
        rows.append(Candidate(f"{name}, {form.title}", load, libraries, parameters, size, first))
    return exported, rows


def teacher_of(bundle: Path, checkpoint: Path, settings: Mapping[str, Any], raw: bool = False) -> Candidate:
    """
    The teacher in PyTorch.

    Args:
        bundle: has ``configs/teacher.json``, an overlay of the inference config.
        checkpoint: the teacher's weights.
        settings: values by id.
        raw: run the network alone, without pre- and postprocessing, as its students do.

    Raises:
        FileNotFoundError: When the config or the checkpoint does not exist.
        ValueError: When the weights belong to another network.
    """
    network = load_weights(open_bundle(bundle, ("teacher",), **settings).network(), checkpoint)
    load = partial(_teacher, bundle, checkpoint, dict(settings), raw)
    size = checkpoint.stat().st_size / 1e6
    return Candidate("teacher, PyTorch", load, ("monai_kd.export",), _count(network), size, "teacher, PyTorch")


def peers_of(exported: Exported, classes: int) -> list[Candidate]:
    """Networks of MONAI with random weights in place of the student, as rows without Dice."""
    _, channels, *axes = exported.bundle.input_shape
    rows = []
    for name, make in PEERS.items():
        count = _count(make(len(axes), channels, classes))
        load = partial(_peer, exported.folder, name, classes)
        rows.append(Candidate(f"{name}, PyTorch", load, ("monai_kd.export",), count, 4 * count / 1e6, None))
    return rows


def _pytorch(folder: Path, shape: tuple[int, ...] | None) -> Runner:
    module = open_export(folder)[0].module()
    return _within(folder, run_module(module, module.outputs))


def _exported(folder: Path, form: str, threads: int, shape: tuple[int, ...] | None) -> Runner:
    exported = open_export(folder)[0]
    if FORMS[form].is_network and not exported.report["raw"]:
        return _within(folder, around(exported.module(), load_form(exported.forms()[form], ["logits"], threads)))
    return load_form(exported.forms()[form], exported.report["outputs"], threads, shape)


def _teacher(
    bundle: Path, checkpoint: Path, settings: dict[str, Any], raw: bool, shape: tuple[int, ...] | None
) -> Runner:
    opened = open_bundle(bundle, ("teacher",), **settings)
    module = segmenter(opened, load_weights(opened.network(), checkpoint), raw)
    return _within(opened.root, run_module(module, module.outputs))


def _within(root: Path, run: Runner) -> Runner:
    """Keep the bundle's scripts importable during each call, because the network's code may import them."""
    if not (root / "scripts").is_dir():
        return run

    def run_within(image: npt.NDArray[Any]) -> Arrays:
        with importable_scripts(root):
            return run(image)

    return run_within


def _peer(folder: Path, name: str, classes: int, shape: tuple[int, ...] | None) -> Runner:
    exported = open_export(folder)[0]
    _, channels, *axes = exported.bundle.input_shape
    torch.manual_seed(0)
    network = PEERS[name](len(axes), channels, classes).eval()
    module = segmenter(exported.bundle, network, bool(exported.report["raw"]))
    return run_module(module, module.outputs)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
