# SPDX-License-Identifier: Apache-2.0
"""The inference config of any bundle, with the values that its network was trained with."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.inferers import Inferer
from torch import nn

from monai_kd.bundle.scripts import importable_scripts

__all__ = ["Bundle", "open_bundle"]

SUFFIXES = (".json", ".yaml", ".yml")
CPU = "$torch.device('cpu')"  # a config's program for the device, as bundles write it


@dataclass(frozen=True)
class Bundle:
    """
    A bundle's inference config, on the CPU.

    Args:
        root: the bundle's folder.
        configs: files that are merged, the inference config first.
        settings: values by id, which replace those of the configs.

    Raises:
        ValueError: When a config lacks something or an id of ``settings`` is none of its ids.
    """

    root: Path
    configs: tuple[Path, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def parser(self) -> ConfigParser:
        """The merged configs."""
        parser = ConfigParser()
        parser.read_config([str(file) for file in self.configs])
        known = parser.get()
        for key, value in self.settings.items():
            if key.split("#")[0] not in known:
                closest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
                raise ValueError(f"No id '{key}' in {self.configs[0]}. Closest: '{closest}'. Correct --set {key}=….")
            parser[key] = value
        parser["bundle_root"] = str(self.root)
        if "device" in known:
            parser["device"] = CPU
        return parser

    def network(self) -> nn.Module:
        """``network_def`` with random weights, in evaluation mode."""
        network = self._made("network_def")
        if not isinstance(network, nn.Module):
            raise ValueError(f"network_def of {self.configs[0]} is a {type(network).__name__}, not a network.")
        return network.eval()

    def preprocessing(self) -> list[Any]:
        """The transforms from a record to the network's input."""
        return _flat(self._made("preprocessing"))

    def postprocessing(self) -> list[Any]:
        """The transforms from the network's output to a mask."""
        return _flat(self._made("postprocessing"))

    def inferer(self) -> Inferer | None:
        """How the network is run on an image; None where the config does not say."""
        return self._made("inferer") if "inferer" in self.parser.get() else None

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """``metadata.json`` beside the config; empty where there is none."""
        path = self.configs[0].with_name("metadata.json")
        if not path.is_file():
            return {}
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"'{path}' is not JSON: {error}. Restore it.") from error
        return content

    @property
    def classes(self) -> dict[str, str]:
        """Names of the output's channels by their numbers."""
        outputs: dict[str, Any] = self.metadata.get("network_data_format", {}).get("outputs", {})
        first: dict[str, Any] = next(iter(outputs.values()), {})
        return dict(first.get("channel_def", {}))

    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image as the network takes it, (1, C, H, W[, D]), as the metadata and ``spatial_size`` say."""
        inputs = self.metadata.get("network_data_format", {}).get("inputs", {})
        if len(inputs) != 1:
            raise ValueError(
                f"The metadata of {self.root} describe {len(inputs)} inputs of the network ({', '.join(inputs)}). Only "
                "networks of one input can be exported; describe it in network_data_format."
            )
        image = next(iter(inputs.values()))
        size = image["spatial_shape"]
        if "spatial_size" in self.parser.get():
            size = self._made("spatial_size")
        if not all(isinstance(side, int) and side > 0 for side in size):
            raise ValueError(
                f"The metadata of {self.root} give the input's size as {size}. Say which one is to be exported, e.g. "
                "--set spatial_size=[96,96,96] with such an id in the inference config."
            )
        return (1, int(image["num_channels"]), *size)

    def _made(self, key: str) -> Any:
        """What the config's id makes."""
        if key not in self.parser.get():
            there = ", ".join(sorted(self.parser.get()))
            raise ValueError(f"{self.configs[0]} has no '{key}'. There are {there}. Name an inference config.")
        try:
            with importable_scripts(self.root):
                return self.parser.get_parsed_content(key)
        except Exception as error:
            cause = _first(error)
            raise ValueError(
                f"'{key}' of {self.configs[0]} cannot be made: {type(cause).__name__}: {cause}. Correct the config, or "
                "install what it names."
            ) from error


def open_bundle(path: Path, overlays: Sequence[str] = (), **settings: Any) -> Bundle:
    """
    Find a bundle's inference config.

    Args:
        path: the bundle's folder, or an inference config in the ``configs`` folder of one.
        overlays: names of further configs beside it, such as ``teacher``, without suffix.
        settings: values by id.

    Raises:
        FileNotFoundError: When there is no such config.
        ValueError: When an id is unknown.

    Example:
        >>> open_bundle(Path("nowhere"))
        Traceback (most recent call last):
        FileNotFoundError: No configs/inference.json in 'nowhere'. Name a bundle's folder or its inference config.
    """
    path = path.resolve() if path.exists() else path
    file = path if path.is_file() else _config(path / "configs", "inference")
    if file is None:
        raise FileNotFoundError(
            f"No configs/inference.json in '{path}'. Name a bundle's folder or its inference config."
        )
    files = [file]
    for name in overlays:
        overlay = _config(file.parent, name)
        if overlay is None:
            raise FileNotFoundError(f"No config '{name}' in '{file.parent}', which is needed for this. Add it.")
        files.append(overlay)
    bundle = Bundle(file.parent.parent if file.parent.name == "configs" else file.parent, tuple(files), settings)
    _ = bundle.parser
    return bundle


def _config(folder: Path, name: str) -> Path | None:
    return next((folder / (name + suffix) for suffix in SUFFIXES if (folder / (name + suffix)).is_file()), None)


def _flat(transforms: Any) -> list[Any]:
    """The transforms of a Compose, and of those in it."""
    inner = getattr(transforms, "transforms", transforms if isinstance(transforms, list | tuple) else None)
    return [transforms] if inner is None else [one for part in inner for one in _flat(part)]


def _first(error: BaseException) -> BaseException:
    """What MONAI's parser wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
