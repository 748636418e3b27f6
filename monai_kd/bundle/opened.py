# SPDX-License-Identifier: Apache-2.0
"""The inference config of any bundle, with the values that its network was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.inferers import Inferer, SimpleInferer, SlidingWindowInferer
from monai.transforms import Compose
from monai.utils import fall_back_tuple
from torch import nn

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import CONFIGS, find_file, read_file, read_merged
from monai_kd.bundle.config_ids import find, set_values
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.bundle.sizes import possible_size
from monai_kd.utils.messages import first_cause

__all__ = ["Bundle", "open_bundle"]

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
        config = read_merged(self.configs)
        with importable_scripts(self.root):
            set_values([config], self.settings, str(self.configs[0]))
        config["bundle_root"] = str(self.root)
        if "device" in config:
            config["device"] = CPU
        return ConfigParser(config)

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

    @cached_property
    def inferer(self) -> Inferer:
        """How the network is run on an image: what the evaluator names, else ``inferer``, else at once."""
        keys = [key for key in ("evaluator#inferer", "inferer") if find(self.parser.get(), key) is not None]
        return self._made(keys[0]) if keys else SimpleInferer()

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """``metadata.json`` beside the config; empty where there is none."""
        file = find_file(self.configs[0].parent, "metadata")
        return {} if file is None else read_file(file)

    @property
    def classes(self) -> dict[str, str]:
        """Names of the output's channels by their numbers."""
        return dict(self._only("output", {}).get("channel_def", {}))

    @cached_property
    def input_shape(self) -> tuple[int, ...]:
        """
        Shape of one image as the network takes it, (1, C, W, H[, D]), in MONAI's index order.

        Its sides are the inferer's window, else ``spatial_size``, else a size that the metadata allow.
        """
        image = self._only("input")
        try:
            size = possible_size(image["spatial_shape"])
            if "spatial_size" in self.parser.get():
                size = possible_size(self._made("spatial_size"))
            if isinstance(self.inferer, SlidingWindowInferer):
                size = fall_back_tuple(self.inferer.roi_size, size)
            shape = (1, int(image["num_channels"]), *size)
            if min(shape) < 1:
                raise ValueError(f"the shape {shape}")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"The network's input cannot be told from network_data_format in the metadata of {self.root} "
                f"({type(error).__name__}: {error}). Give num_channels as a number, and in spatial_shape a side for "
                "each axis that the preprocessing and the inferer know."
            ) from error
        return shape

    def _only(self, side: str, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the metadata say of the network's one input or output."""
        described: dict[str, dict[str, Any]] = self.metadata.get("network_data_format", {}).get(f"{side}s", {})
        if not described and otherwise is not None:
            return otherwise
        if len(described) != 1:
            raise ValueError(
                f"The metadata of {self.root} describe {len(described)} {side}s of the network "
                f"({', '.join(described)}). Only networks of one {side} can be exported; describe it in "
                "network_data_format."
            )
        return next(iter(described.values()))

    def _made(self, key: str) -> Any:
        """What the config's id makes."""
        if key not in self.parser:
            there = ", ".join(sorted(self.parser.get()))
            raise ValueError(f"{self.configs[0]} has no '{key}'. There are {there}. Name an inference config.")
        try:
            with importable_scripts(self.root):
                return self.parser.get_parsed_content(key)
        except Exception as error:
            cause = first_cause(error)
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

    Returns:
        The bundle; nothing of it is made yet.

    Raises:
        FileNotFoundError: When there is no such config.
        ValueError: When an id is unknown.

    Example:
        >>> open_bundle(Path("nowhere"))
        Traceback (most recent call last):
        FileNotFoundError: No configs/inference.json in 'nowhere'. Name a bundle's folder or its inference config.
    """
    path = path.resolve() if path.exists() else path
    remedy = "Name a bundle's folder or its inference config."
    file = path if path.is_file() else BundleFolder(path).file("inference", remedy)
    files = [file]
    for name in overlays:
        overlay = find_file(file.parent, name)
        if overlay is None:
            raise FileNotFoundError(f"No config '{name}' in '{file.parent}', which is needed for this. Add it.")
        files.append(overlay)
    bundle = Bundle(file.parent.parent if file.parent.name == CONFIGS else file.parent, tuple(files), settings)
    _ = bundle.parser
    return bundle


def _flat(transforms: Any) -> list[Any]:
    """The transforms of a Compose, and of those in it; not of OneOf and others that take some of theirs at random."""
    inner = transforms.transforms if type(transforms) is Compose else transforms
    return [one for part in inner for one in _flat(part)] if isinstance(inner, list | tuple) else [transforms]
