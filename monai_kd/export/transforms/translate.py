# SPDX-License-Identifier: Apache-2.0
"""Helpers for the translation of pre- and post-processing transforms."""

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

__all__ = ["LOADING", "TYPES", "NotInGraphError", "is_writer", "refused", "transforms_of_key"]

LOADING = (LoadImaged, LoadUltrasoundd, EnsureChannelFirstd)
TYPES = (EnsureTyped, CastToTyped, ToTensord, ToDeviced, Identityd, CopyItemsd, SelectItemsd, DeleteItemsd)
WRITING = (SaveImaged, AsLabelMapd)


def transforms_of_key(transforms: Sequence[Any], key: str) -> list[Any]:
    """The transforms that change a key of a record."""
    return [one for one in transforms if key in getattr(one, "keys", (key,))]


def is_writer(transform: Any) -> bool:
    """Whether a transform writes a file, or prepares what is written."""
    return isinstance(transform, WRITING)


class NotInGraphError(ValueError):
    """
    A step before or after a bundle's network that no exported graph can contain.

    Args:
        message: names the step, says why it cannot, and ends with "Export only the network …".
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


def refused(name: str, why: str) -> NotInGraphError:
    """The error to raise for a transform that cannot be part of a graph."""
    return NotInGraphError(
        f"{name} cannot go into the exported graph: {why}. "
        "Export only the network, for pre-processed input, with --raw."
    )
