# SPDX-License-Identifier: Apache-2.0
"""The command lines of a new bundle, and the run of its training."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_kd.distill.check import evaluation_configs
from monai_kd.distill.config_files import read_overlay
from monai_kd.distill.metadata import RECORD
from monai_kd.distill.methods import HIDDEN

__all__ = ["bundle_commands", "commands", "run_training"]


def _training(root: Path, dataset_dir: Path | str, is_hidden: bool) -> list[str]:
    """
    The arguments of ``python`` that train the student; given again, they continue a killed training.

    Args:
        root: the bundle's folder.
        dataset_dir: the data.
        is_hidden: whether pairs of layers are compared too.
    """
    return _run(root, ["train", "methods/hidden"] if is_hidden else ["train"], dataset_dir)


def commands(
    root: Path, dataset_dir: Path | str, method: str, has_pairs: bool, evaluation: Sequence[str]
) -> dict[str, str]:
    """
    What can be run, by what it does, to be shown.

    Args:
        root: the bundle's folder.
        dataset_dir: the data.
        method: of the first training.
        has_pairs: whether there is the overlay of hidden layers.
        evaluation: the configs that evaluate, by name.
    """
    is_hidden = method == HIDDEN
    shown = {f"Training ({method})": _training(root, dataset_dir, is_hidden)}
    if has_pairs:
        other = "logits alone" if is_hidden else "logits and pairs of layers"
        name = "logits" if is_hidden else HIDDEN
        places = ["--output_dir", str(root / "runs" / name), "--best_checkpoint#save_dir", str(root / "models" / name)]
        shown[f"Training ({other}), beside it"] = _training(root, dataset_dir, not is_hidden) + places
    if evaluation:
        shown["Evaluation"] = _run(root, evaluation, dataset_dir)
    shown["Inference"] = _run(root, ["inference"], dataset_dir)
    return {name: " ".join(["python", *map(_quoted, words)]) for name, words in shown.items()}


def bundle_commands(root: Path, dataset_dir: Path | str) -> dict[str, str]:
    """
    What can be run of a bundle that is written, by what it does.

    Args:
        root: the bundle's folder.
        dataset_dir: the data.

    Returns:
        Command lines by words such as "Training (logits_kl)", "Evaluation" and "Inference".
    """
    has_pairs = (root / "configs" / "methods" / "hidden.json").is_file()
    return commands(root, dataset_dir, _method(root), has_pairs, evaluation_configs(root))


def run_training(root: Path, dataset_dir: Path) -> None:
    """
    Train, in a process of its own whose output is shown.

    Args:
        root: the bundle's folder.
        dataset_dir: the data.

    Raises:
        ValueError: When it fails.
    """
    words = _training(root.resolve(), dataset_dir.resolve(), _method(root) == HIDDEN)
    status = subprocess.run([sys.executable, *words], check=False).returncode
    if status:
        raise ValueError(
            f"The training in '{root}' ended with status {status}; its last lines tell why. The bundle is written: "
            "mend the cause and give the same command again."
        )


def _method(root: Path) -> str:
    return str(read_overlay(root / "configs" / "metadata.json")[RECORD]["method"])


def _run(root: Path, names: Sequence[str], dataset_dir: Path | str) -> list[str]:
    config, *overlays = names
    words = ["-m", "monai_kd", "run", config, "--bundle", str(root), "--dataset_dir", str(dataset_dir)]
    for name in overlays:
        folder, _, overlay = name.rpartition("/")
        words += [f"--{folder.removesuffix('s') or 'overlay'}", overlay]
    return words


def _quoted(word: str) -> str:
    return f'"{word}"' if any(sign in word for sign in " '[]#") else word
