# SPDX-License-Identifier: Apache-2.0
"""What the translations of MONAI's transforms before and after a network share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.transforms import (
    CastToTyped,
    CopyItemsd,
    DeleteItemsd,
    EnsureChannelFirstd,
    EnsureTyped,
    Identityd,
    LoadImaged,
    SaveImaged,
    SelectItemsd,
    ToDeviced,
    ToTensord,
)

from monai_kd.data import AsLabelMapd, LoadUltrasoundd

__all__ = ["NotInGraphError", "LOADING", "TYPES", "concerning", "is_writer", "refused"]

LOADING = (LoadImaged, LoadUltrasoundd, EnsureChannelFirstd)
TYPES = (EnsureTyped, CastToTyped, ToTensord, ToDeviced, Identityd, CopyItemsd, SelectItemsd, DeleteItemsd)
WRITING = (SaveImaged, AsLabelMapd)


def concerning(transforms: Sequence[Any], key: str) -> list[Any]:
    """
    The transforms that change a key.

    Args:
        transforms: in order.
        key: of a record.
    """
    return [one for one in transforms if key in getattr(one, "keys", (key,))]


def is_writer(transform: Any) -> bool:
    """
    Whether a transform writes a file, or shapes what is written.

    Args:
        transform: of a bundle's ``postprocessing``.
    """
    return isinstance(transform, WRITING)


class NotInGraphError(ValueError):
    """Something that a bundle does before or after its network, and that no exported graph can."""


def refused(name: str, why: str) -> NotInGraphError:
    """
    The error for what cannot be in a graph.

    Args:
        name: of the transform.
        why: it cannot.

    Returns:
        The error, to be raised.
    """
    return NotInGraphError(
        f"{name} cannot go into the exported graph: {why}. "
        "Export the network alone, on pre-processed input, with --raw."
    )
