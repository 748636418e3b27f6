# SPDX-License-Identifier: Apache-2.0
"""The command lines of a new bundle, and its training as a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.command_line import run_words, shell_line
from monai_kd.bundle.config_ids import Config
from monai_kd.student_bundle.configs.metadata import RECORD
from monai_kd.student_bundle.logits_method import HIDDEN
from monai_kd.student_bundle.student_weights import STUDENT
from monai_kd.student_bundle.teacher.data_folder import absolute, data_folder
from monai_kd.student_bundle.trial.zoo_checks import evaluation_configs

__all__ = ["bundle_commands", "commands", "run_training"]


def _training(root: Path, dataset_dir: str, is_hidden: bool, **places: str) -> list[str]:
    """The arguments of ``python`` that train the student; the same command continues a killed training."""
    return _run(root, ["train", "methods/hidden"] if is_hidden else ["train"], dataset_dir, **places)


def commands(
    root: Path,
    dataset_dir: str,
    method: str,
    has_pairs: bool,
    evaluation: Sequence[str],
    inference_dir: str | None = None,
) -> dict[str, str]:
    """Command lines to show, by what they do; ``inference_dir`` is given if the inference's data are elsewhere."""
    is_hidden = method == HIDDEN
    shown = {f"Training ({method})": _training(root, dataset_dir, is_hidden)}
    if has_pairs:
        other = "logits alone" if is_hidden else "logits and pairs of layers"
        name = "logits" if is_hidden else HIDDEN
        places = {"output_dir": str(root / "runs" / name), STUDENT: str(root / "models" / name / "model.pt")}
        shown[f"Training ({other}), beside it"] = _training(root, dataset_dir, not is_hidden, **places)
    if evaluation:
        shown["Evaluation"] = _run(root, evaluation, dataset_dir)
    shown["Inference"] = _run(root, ["inference"], inference_dir or dataset_dir)
    return {name: shell_line(words) for name, words in shown.items()}


def bundle_commands(root: Path, dataset_dir: str | Path, inference_dir: str | Path | None = None) -> dict[str, str]:
    """
    Command lines of a bundle, by what they do, such as "Training (logits_kl)", "Evaluation" and "Inference".

    ``inference_dir`` is given if the inference's data are elsewhere.
    """
    has_pairs = BundleFolder(root).has("methods/hidden")
    data, other = (data_folder(folder, _configs(root)) if folder else None for folder in (dataset_dir, inference_dir))
    return commands(root, str(data), _method(root), has_pairs, evaluation_configs(root), other)


def run_training(root: Path, dataset_dir: str | Path) -> None:
    """
    Train in another process, whose output is shown.

    Raises:
        ValueError: When the training fails.
    """
    data = absolute(data_folder(dataset_dir, _configs(root)))
    words = _training(root.resolve(), data, _method(root) == HIDDEN)
    status = subprocess.run([sys.executable, *words], check=False).returncode
    if status:
        raise ValueError(
            f"The training in '{root}' ended with status {status}; its last lines say why. The bundle is complete: "
            "correct the cause and run the same command again."
        )


def _method(root: Path) -> str:
    return str(BundleFolder(root).metadata[RECORD]["method"])


def _configs(root: Path) -> list[Config]:
    return [BundleFolder(root).config(name) for name in ("train", "inference")]


def _run(root: Path, names: Sequence[str], dataset_dir: str, **places: str) -> list[str]:
    config, *overlays = names
    return run_words(config, root, {"dataset_dir": dataset_dir, **places}, overlays)
