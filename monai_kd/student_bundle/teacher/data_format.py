# SPDX-License-Identifier: Apache-2.0
"""Read from a bundle's metadata what its network takes and returns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monai_kd.bundle.image_size import possible_size

__all__ = ["DataFormat", "read_format"]

SCHEMA = re.compile(r"meta_schema_\d{8}\.json$")
BY_HAND = "How to write such a bundle by hand: docs/distill.md, 'What it cannot do'."


@dataclass(frozen=True)
class DataFormat:
    """
    The image that a network takes, and the map that it returns.

    ``classes`` are by channel of the output, and empty if the metadata do not name them.
    """

    spatial_size: tuple[int, ...]
    in_channels: int
    out_channels: int
    classes: Mapping[int, str]

    @property
    def spatial_dims(self) -> int:
        """2 or 3."""
        return len(self.spatial_size)


def read_format(metadata: Mapping[str, Any], file: str) -> DataFormat:
    """
    Read the data format from a bundle's metadata.

    Raises:
        ValueError: When the schema is not MONAI's for image networks, or there are several inputs or outputs.
    """
    described = metadata.get("network_data_format", {})
    if isinstance(described, Mapping) and all(described.get(side) for side in ("inputs", "outputs")):
        _ = _only(described, "inputs", file), _only(described, "outputs", file)  # what matters more than its schema
    schema = str(metadata.get("schema", ""))
    if not SCHEMA.search(schema):
        raise ValueError(
            f"{file}: the schema is {schema!r}, but it must be MONAI's 'meta_schema_<date>.json', whose "
            f"network_data_format gives channels and sizes. Describe the network in that schema. {BY_HAND}"
        )
    image, pred = (_only(described, side, file) for side in ("inputs", "outputs"))
    try:
        size = possible_size(image["spatial_shape"])
        channels = int(image["num_channels"]), int(pred["num_channels"])
        classes = {int(channel): str(name) for channel, name in pred.get("channel_def", {}).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file}: network_data_format has no usable num_channels, spatial_shape or channel_def "
            f"({type(error).__name__}: {error}). Give both channels as numbers, and a side for each axis."
        ) from error
    if len(size) not in (2, 3):
        raise ValueError(f"{file}: spatial_shape has {len(size)} sides. Give 2 for images or 3 for volumes.")
    _require_map(size, pred, file)
    return DataFormat(size, *channels, classes)


def _require_map(size: tuple[int, ...], pred: Mapping[str, Any], file: str) -> None:
    """Classes, points and boxes have a shape of their own; sides that the metadata leaves open tell nothing."""
    given = pred.get("spatial_shape")
    if isinstance(given, list) and all(isinstance(side, int) for side in given) and tuple(given) != size:
        kind = pred.get("format") or pred.get("type") or "something else"
        raise ValueError(
            f"{file}: the network takes {' × '.join(map(str, size))} and gives {kind} of "
            f"{' × '.join(map(str, given))}, and a student is distilled from one map of logits of the image's size. A "
            "classifier's student is trained as docs/classification.md shows; a map's spatial_shape is that of the "
            f"input. {BY_HAND}"
        )


def _only(described: Mapping[str, Any], side: str, file: str) -> Mapping[str, Any]:
    entries = described.get(side) or {}
    if len(entries) != 1:
        raise ValueError(
            f"{file}: the network has {len(entries)} {side} ({', '.join(entries) or 'none described'}), but a teacher "
            f"must take one image and return one map of logits. {BY_HAND}"
        )
    entry: Mapping[str, Any] = next(iter(entries.values()))
    return entry
