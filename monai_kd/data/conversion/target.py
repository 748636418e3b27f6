# SPDX-License-Identifier: Apache-2.0
"""The description of a layout to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_kd.data.conversion.naming import readable_names
from monai_kd.data.records.record import Record
from monai_kd.data.splits.groups import Split

Entry = dict[str, Any]
"""One written image: ``id``, ``source_id``, ``patient``, ``pathology``, ``image`` and ``label`` (paths in the new
folder), ``source_image`` and ``source_label`` (a path and a list of paths in the old folder); in a loop, ``frame``."""


@dataclass(frozen=True)
class Target:
    """
    A layout to write.

    Args:
        name: of the layout on the command line.
        image: path of an image without suffix; ``{id}`` stands for its id.
        label: path of its mask without suffix.
        inside: the mask's value inside the lesion; outside it is 0.
        names: converts all old ids to new ids.
        suffix: gives the format of all files from their records; "" if each image has its own.
        finish: writes tables into the folder, from all entries and the splits in new ids.
        check: refuses an output folder that the layout does not allow.
    """

    name: str
    image: str
    label: str
    inside: int = 255
    names: Callable[[Sequence[str]], list[str]] = readable_names
    suffix: Callable[[Sequence[Record]], str] = lambda _: ""
    finish: Callable[[Path, list[Entry], list[Split]], object] = lambda *_: None
    check: Callable[[Path], object] = lambda _: None
