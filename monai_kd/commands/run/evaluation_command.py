# SPDX-License-Identifier: Apache-2.0
"""The command that evaluates what a run has trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.command_line import plain_values, run_words, shell_line
from monai_kd.bundle.config_ids import find, references

__all__ = ["evaluation_command"]

CONFIG = "evaluate"


def evaluation_command(config: Mapping[str, Any], weights: Path, folder: Path) -> str | None:
    """
    The command that scores the weights of a training on the test images of its split.

    The sizes are not in it where the checkpoint's record holds them.

    Args:
        config: of the training, merged, with all arguments.
        weights: the training's checkpoint.
        folder: the training's ``output_dir``; the scores go into ``evaluation`` in it.

    Returns:
        None if the bundle has no config that evaluates such a network.
    """
    from monai.bundle import ConfigParser

    from monai_kd.bundle.record.definition import class_of
    from monai_kd.bundle.record.training_record import NETWORK, VALUES, load_record, require_network

    root = str(config.get("bundle_root", "."))
    if NETWORK not in config or not BundleFolder(Path(root)).has(CONFIG):
        return None
    try:
        evaluation, record = BundleFolder(Path(root)).config(CONFIG), load_record(weights)
        if record is not None:
            require_network(record[NETWORK], class_of(ConfigParser(evaluation), NETWORK), weights)
    except (OSError, ValueError, ImportError):
        return None  # the evaluation would refuse its config, or a network that the bundle does not name
    if not {NETWORK, "checkpoint"} <= set(evaluation):
        return None
    recorded = [] if record is None else [*VALUES, *references(find(evaluation, NETWORK))]
    places = {"checkpoint": str(weights), "output_dir": str(folder / "evaluation")}
    values = {**plain_values(config, evaluation, recorded), **places}
    return shell_line(run_words(CONFIG, None if root == "." else root, values))
