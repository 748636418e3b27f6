# SPDX-License-Identifier: Apache-2.0
"""The inference config of any bundle, with the values that its network was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.inferers import Inferer, SimpleInferer, SlidingWindowInferer
from monai.transforms import Compose
from monai.utils import fall_back_tuple
from torch import nn

from monai_kd.bundle.bundle import BundleFolder
from monai_kd.bundle.config_files import CONFIGS, find_file, is_config_file, read_file, read_merged
from monai_kd.bundle.config_ids import find, set_values
from monai_kd.bundle.image_size import possible_size
from monai_kd.bundle.record import recorded_settings
from monai_kd.bundle.scripts import importable_scripts
from monai_kd.utils.messages import first_cause

__all__ = ["Bundle", "open_bundle"]

CPU = "$torch.device('cpu')"  # the expression that bundles use for a device


@dataclass(frozen=True)
class Bundle:
    """
    A bundle's inference config on the CPU.

    Args:
        root: the bundle's folder.
        configs: files that are merged, the inference config first.
        settings: values by id, which replace those of the configs.

    Raises:
        ValueError: When a config lacks something, or has no id of ``settings``.
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

    def of(self, checkpoint: Path) -> Bundle:
        """
        The bundle with the network and sizes in the record of a checkpoint, if there is a file that has one.

        Raises:
            ValueError: When a setting contradicts the record, or the record was changed.
        """
        if not checkpoint.is_file():
            return self
        with importable_scripts(self.root):
            config, folder = self.parser.get(), self.configs[0].parent
            recorded = recorded_settings(config, checkpoint, given=self.settings, folder=folder)
        return replace(self, settings={**self.settings, **recorded}) if recorded else self

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
        """
        The inferer that the evaluator uses, or else ``inferer``, or else one that runs the network on the whole image.
        """
        keys = [key for key in ("evaluator#inferer", "inferer") if find(self.parser.get(), key) is not None]
        return self._made(keys[0]) if keys else SimpleInferer()

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """``metadata.json`` next to the config; empty if it does not exist."""
        file = find_file(self.configs[0].parent, "metadata")
        return {} if file is None else read_file(file)

    @property
    def classes(self) -> dict[str, str]:
        """Names of the output's channels, by their numbers."""
        return dict(self._only("output", {}).get("channel_def", {}))

    @cached_property
    def input_shape(self) -> tuple[int, ...]:
        """
        Shape of the network's input for one image, (1, C, W, H[, D]), in MONAI's index order.

        The sides are the inferer's window, or else ``spatial_size``, or else a size that the metadata allow.
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
                f"The metadata of {self.root} do not define the network's input in network_data_format "
                f"({type(error).__name__}: {error}). Give num_channels as a number, and spatial_shape with one side "
                "for each axis of the images."
            ) from error
        return shape

    def _only(self, side: str, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
        """The metadata's description of the network's one input or output."""
        described: dict[str, dict[str, Any]] = self.metadata.get("network_data_format", {}).get(f"{side}s", {})
        if not described and otherwise is not None:
            return otherwise
        if len(described) != 1:
            raise ValueError(
                f"The metadata of {self.root} describe {len(described)} {side}s of the network "
                f"({', '.join(described)}), but only networks with one {side} can be exported. Describe it in "
                "network_data_format."
            )
        return next(iter(described.values()))

    def _made(self, key: str) -> Any:
        """Build the object of an id."""
        if key not in self.parser:
            there = ", ".join(sorted(self.parser.get()))
            raise ValueError(f"{self.configs[0]} has no '{key}'. It has {there}. Name an inference config.")
        try:
            with importable_scripts(self.root):
                return self.parser.get_parsed_content(key)
        except Exception as error:
            cause = first_cause(error)
            raise ValueError(
                f"'{key}' of {self.configs[0]} cannot be built: {type(cause).__name__}: {cause}. Correct the config, "
                "or install the packages that it uses."
            ) from error


def open_bundle(path: Path, overlays: Sequence[str] = (), **settings: Any) -> Bundle:
    """
    Find and merge a bundle's inference config; nothing is built yet.

    Args:
        path: the bundle's folder, or an inference config in its ``configs`` folder.
        overlays: names of further configs next to it, such as ``teacher``, without suffix.
        settings: values by id.

    Raises:
        FileNotFoundError: When a config does not exist.
        ValueError: When an id is unknown.

    Example:
        >>> open_bundle(Path("nowhere"))
        Traceback (most recent call last):
        FileNotFoundError: No configs/inference.json in 'nowhere'. Name a bundle's folder or its inference config.
    """
    path = path.resolve() if path.exists() else path
    remedy = "Name a bundle's folder or its inference config."
    if path.is_file() and not is_config_file(path):
        raise ValueError(f"'{path}' is not a config. {remedy} The option --checkpoint names a file of weights.")
    file = path if path.is_file() else BundleFolder(path).file("inference", remedy)
    files = [file]
    for name in overlays:
        overlay = find_file(file.parent, name)
        if overlay is None:
            raise FileNotFoundError(f"No config '{name}' in '{file.parent}', which is needed here. Add it.")
        files.append(overlay)
    bundle = Bundle(file.parent.parent if file.parent.name == CONFIGS else file.parent, tuple(files), settings)
    _ = bundle.parser
    return bundle


def _flat(transforms: Any) -> list[Any]:
    """
    The transforms of a Compose and of those inside it; OneOf and the like stay whole, because they choose at random.
    """
    inner = transforms.transforms if type(transforms) is Compose else transforms
    return [one for part in inner for one in _flat(part)] if isinstance(inner, list | tuple) else [transforms]
