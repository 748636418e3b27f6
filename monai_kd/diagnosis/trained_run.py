# SPDX-License-Identifier: Apache-2.0
"""Read a finished training: its config, its weights and its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import Dataset
from torch import nn

from monai_kd.bundle.config_files import read_file
from monai_kd.bundle.finding import find_path
from monai_kd.teachers import load_weights
from monai_kd.utils.checkpoints import load_checkpoint

__all__ = ["TrainedRun"]

CONFIG = "train_config.json"
NEEDED = ("network_def", "checkpoint", "train#dataset", "validate#dataset", "validate#evaluator")
LAST = ("train#handlers", "train#trainer#train_handlers", "validate#handlers", "validate#evaluator#val_handlers")


class TrainedRun:
    """
    A finished training of a bundle, read from its output folder.

    All handlers are left out, so nothing is written.

    Args:
        folder: ``output_dir`` of the training, with ``train_config.json`` and ``last.pt``.
        settings: values by id that replace those of the config, such as ``dataset_dir`` if the data were moved.

    Raises:
        FileNotFoundError: When the folder has no config.
        ValueError: When the config lacks an id that is needed.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None) -> None:
        self.folder, self.settings = folder, dict(settings or {})
        file = folder / CONFIG
        if not file.is_file():
            raise FileNotFoundError(
                f"'{folder}' has no '{CONFIG}'. Name the output_dir of a training, which writes its config there."
            )
        self.config = ConfigParser(read_file(file))
        for name, value in self.settings.items():
            if name not in self.config:
                raise ValueError(
                    f"'{file}' has no id '{name}', so it cannot be set. Correct or remove --set {name}=… ."
                )
            self.config[name] = value
        root = Path(str(self.config.get("bundle_root", ".")))
        if not find_path(root).is_dir():  # the package is now installed at another place, or the folder was moved
            self.config["bundle_root"] = str(find_path(root.name))
        absent = [name for name in NEEDED if name not in self.config]
        if absent:
            raise ValueError(
                f"'{file}' lacks {', '.join(absent)}, which the diagnosis needs. Name the folder of another training."
            )
        for name in LAST:
            if name in self.config:
                self.config[name] = []
        for name in ("use_tensorboard", "use_mlflow"):
            if name in self.config:
                self.config[name] = False

    def anew(self) -> TrainedRun:
        """The same run with new networks; nothing is built yet."""
        return TrainedRun(self.folder, self.settings)

    def get(self, name: str, default: Any = None) -> Any:
        """The parsed value of an id in the config; ``default`` if the config lacks it."""
        return self.config.get_parsed_content(name) if name in self.config else default

    @property
    def is_distilled(self) -> bool:
        """Whether the training had a teacher."""
        return "teacher_def" in self.config and "pathways" in self.config

    @cached_property
    def device(self) -> torch.device:
        """The device that the config names."""
        return torch.device(self.get("device", "cpu"))

    def network(self) -> nn.Module:
        """The student with the weights of the run's checkpoint, in evaluation mode."""
        network: nn.Module = self.get("network_def")
        return load_weights(network, self.get("checkpoint")).to(self.device).eval()

    def teacher(self) -> nn.Module:
        """The teacher with its weights, in evaluation mode."""
        network: nn.Module = self.get("teacher_def")
        return load_weights(network, self.get("teacher_checkpoint")).to(self.device).eval()

    @cached_property
    def last(self) -> dict[str, Any]:
        """The content of ``last.pt``, the state after the last epoch."""
        file = self.folder / "last.pt"
        if not file.is_file():
            raise FileNotFoundError(
                f"'{self.folder}' has no 'last.pt': the training has not finished its first epoch. Train first."
            )
        return dict(load_checkpoint(file))

    @property
    def history(self) -> dict[str, Sequence[tuple[int, float]]]:
        """By name, epochs and values: the mean loss, and the key metric of each validation."""
        return dict(self.last.get("history", {}))

    def records(self, part: str) -> list[dict[str, Any]]:
        """
        The records of ``"training"`` images (with labels), ``"unlabelled"`` (training, without labels) or
        ``"validation"``."""
        dataset = self._training if part in ("training", "unlabelled") else self.get("validate#dataset")
        records = list(dataset.data)
        if part == "validation":
            return records
        return [record for record in records if bool(record.get("has_label", 1)) == (part == "training")]

    @cached_property
    def _training(self) -> Any:
        if "train#dataset#cache_rate" in self.config:
            self.config["train#dataset#cache_rate"] = 0.0  # only the records are needed, so no image is loaded
        return self.get("train#dataset")

    def samples(self, part: str) -> Dataset:
        """Images and labels of a part, with the validation's transforms, which have no random step."""
        return Dataset(self.records(part), self.get("validate#dataset").transform)
