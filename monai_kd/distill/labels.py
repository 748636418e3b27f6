# SPDX-License-Identifier: Apache-2.0
"""Whether a data set's labels are of the teacher's classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_kd.bundle.ids import Config, find
from monai_kd.distill.data_format import DataFormat
from monai_kd.distill.methods import has_sigmoid

__all__ = ["check_labels"]

LOOKED_AT = 16  # labels that are loaded at most, from all along the list, which may be sorted
DATA = "train#dataset#data"
TRANSFORM = "validate#dataset#transform"  # without augmentation


def check_labels(parser: ConfigParser, config: Config, data_format: DataFormat) -> list[str]:
    """
    Load labels through the bundle's own transforms until every class was seen.

    Args:
        parser: of the training, with ``dataset_dir``.
        config: the same as written.
        data_format: of the teacher.

    Returns:
        What should be known but hinders nothing (classes that no label has, checks that could not be made).

    Raises:
        ValueError: When there are no images, no labels, labels of other classes or, in all of them, nothing but
            background.
    """
    if any(find(config, name) is None for name in (DATA, TRANSFORM)):
        return [f"'{DATA}' or '{TRANSFORM}' is not in the config: the classes of the labels were not checked."]
    data, folder = parser.get_parsed_content(DATA), str(parser.get_parsed_content("dataset_dir"))
    _require_entries(data, find(config, DATA), folder)
    transform = parser.get_parsed_content(TRANSFORM)
    seen: set[int] = set()
    count = min(len(data), LOOKED_AT)
    for number in range(count):
        entry = data[number * len(data) // count]
        label = torch.as_tensor(transform(entry)["label"])
        seen |= _classes(label, str(entry["label"]), data_format)
        if len(seen) == data_format.out_channels:
            return []
    each_for_itself = data_format.out_channels == 1 or (label.shape[0] > 1 and has_sigmoid(config))
    background = {channel for channel, name in data_format.classes.items() if name.lower() == "background"}
    background = background or (set() if each_for_itself else {0})
    names = [data_format.classes.get(channel, str(channel)) for channel in range(data_format.out_channels)]
    absent = [name for channel, name in enumerate(names) if channel not in seen | background]
    return _missing(absent, bool(seen - background), (count, len(data)), folder)


def _require_entries(data: Any, written: Any, folder: str) -> None:
    if not len(data):
        raise ValueError(
            f"No training image in '{folder}': {DATA} is {written!r}, and finds none. Lay the data out as "
            "the teacher's bundle does, or give the list otherwise: --set id=value."
        )
    if not isinstance(data[0], Mapping) or "label" not in data[0] or "image" not in data[0]:
        entries = list(data[0]) if isinstance(data[0], Mapping) else type(data[0]).__name__
        raise ValueError(
            f"The training data are {entries}, and the trainer takes one 'image' and one 'label' each: the bundle has "
            "several inputs, or names of its own. Bring them to these two names in the teacher's data list."
        )


def _classes(label: torch.Tensor, file: str, data_format: DataFormat) -> set[int]:
    count = data_format.out_channels
    if label.shape[0] == count and count > 1:  # one channel for each class
        return {channel for channel in range(count) if bool(label[channel].any())}
    values = {float(value) for value in torch.unique(label)}
    known = set(range(max(count, 2)))  # one channel of logits is one class and the background
    if label.shape[0] != 1 or not values <= known:
        found = f"{label.shape[0]} channels" if label.shape[0] != 1 else f"values {sorted(values)[:6]}"
        named = ", ".join(f"{channel} {name}" for channel, name in sorted(data_format.classes.items()))
        raise ValueError(
            f"The label '{file}' has {found}, but the teacher knows {count} classes ({named or 'not named'}). Bring "
            "the labels to its classes, for instance by MapLabelValued in the teacher's transforms."
        )
    return {int(value) for value in values} if count > 1 else {0} if 1.0 in values else set()


def _missing(absent: list[str], has_some: bool, counts: tuple[int, int], folder: str) -> list[str]:
    """What to say of classes that no label has; counts are of the labels that were looked at, and of all."""
    looked_at, total = counts
    named = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    if not absent:
        return []
    if has_some:
        return [f"No {named} in {looked_at} of {total} labels: what no label has is learnt from the teacher alone."]
    found = f"None of {looked_at} labels in '{folder}' has a class of the teacher ({named}): they are all background."
    if looked_at < total:
        return [f"{found} {total - looked_at} more were not looked at: see whether the data set is the teacher's."]
    raise ValueError(f"{found} Name the data set that the teacher is for, or correct its label values.")
