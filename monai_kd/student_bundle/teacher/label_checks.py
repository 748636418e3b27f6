# SPDX-License-Identifier: Apache-2.0
"""Check that a data set's labels have the teacher's classes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.utils import OptionalImportError

from monai_kd.bundle.config_ids import Config, find
from monai_kd.student_bundle.logits_method import has_sigmoid
from monai_kd.student_bundle.teacher.data_format import DataFormat
from monai_kd.student_bundle.teacher.label_rounding import rounding
from monai_kd.student_bundle.teacher.label_values import LabelValues
from monai_kd.utils.messages import first_cause, first_few, first_line, is_own

__all__ = ["check_labels", "ignored_values", "label_rounding", "load_labels"]

LOOKED_AT = 16  # labels that are loaded at most, spread over the whole list, which may be sorted
DATA = "train#dataset#data"
TRANSFORM = "validate#dataset#transform"  # without augmentation


def check_labels(parser: ConfigParser, config: Config, data_format: DataFormat) -> list[str]:
    """
    Load labels through the bundle's own transforms until every class has occurred.

    Args:
        parser: of the training, with ``dataset_dir``.
        config: the same, not parsed.
        data_format: of the teacher.

    Returns:
        Notes for the user about classes that occur in no label, and about checks that were not possible.

    Raises:
        ValueError: When there are no images or no labels, a label has other classes, or all labels are only background.
    """
    if any(find(config, name) is None for name in (DATA, TRANSFORM)):
        return [f"The classes of the labels were not checked, because the config lacks '{DATA}' or '{TRANSFORM}'."]
    folder = str(parser.get_parsed_content("dataset_dir"))
    total = len(_entries(parser, config))
    seen: set[int] = set()
    notes: list[str] = []
    for file, label in load_labels(parser, config):
        values = LabelValues(label, file, data_format, ignored_values(config))
        if values.lie_between():
            values.require_taken(parser)
            notes = notes or [values.told()]
        seen |= values.classes()
        if len(seen) == data_format.out_channels:
            return notes
    each_for_itself = data_format.out_channels == 1 or (label.shape[0] > 1 and has_sigmoid(config))
    background = {channel for channel, name in data_format.classes.items() if name.lower() == "background"}
    background = background or (set() if each_for_itself else {0})
    names = [data_format.classes.get(channel, str(channel)) for channel in range(data_format.out_channels)]
    absent = [name for channel, name in enumerate(names) if channel not in seen | background]
    return [*notes, *_missing(absent, bool(seen - background), (min(total, LOOKED_AT), total), folder)]


def label_rounding(parser: ConfigParser, config: Config, classes: int) -> dict[str, Any]:
    """
    The transform that replaces each pixel of this training's labels by the nearest of so many classes.

    Raises:
        ValueError: When no rule gives the nearest class.
    """
    values = torch.cat([torch.unique(label) for _, label in load_labels(parser, config)])
    transform = rounding(values, classes)
    if transform is None:
        raise ValueError(
            f"--round-labels: the labels have values from {float(values.min()):g} to {float(values.max()):g}, and no "
            f"rule assigns them to {classes} classes. Convert the labels to the classes, for instance with "
            "MapLabelValued in the teacher's transforms."
        )
    return transform


def load_labels(parser: ConfigParser, config: Config) -> Iterator[tuple[str, torch.Tensor]]:
    """
    Labels spread over the list of training images, with the validation's transforms.

    Returns:
        Their names, and the labels as the loss receives them, shape CH[WD].

    Raises:
        ValueError: When there are no images or no labels.
    """
    data = _entries(parser, config)
    transform = parser.get_parsed_content(TRANSFORM)
    count = min(len(data), LOOKED_AT)
    for number in (n * len(data) // count for n in range(count)):
        entry = data[number]
        file = entry.get("label")
        name = str(file) if isinstance(file, str | Path) else f"number {number}"
        yield name, torch.as_tensor(transform(entry)["label"])


def _entries(parser: ConfigParser, config: Config) -> Any:
    folder, written = str(parser.get_parsed_content("dataset_dir")), find(config, DATA)
    try:
        data = parser.get_parsed_content(DATA)
        first = data[0] if len(data) else None
    except Exception as error:
        cause = first_cause(error)
        layout = "Arrange the data as the teacher's bundle expects them."
        slash = (
            "" if folder.endswith("/") else f" If the config appends names to it without a slash, add one: '{folder}/'."
        )
        missing = isinstance(cause, ImportError | OptionalImportError)
        remedy = "Install the package." if missing else f"{layout}{slash}"
        told = (
            first_line(cause) if is_own(cause) else f"{type(cause).__name__}: {first_line(cause).rstrip('.')}. {remedy}"
        )
        raise ValueError(
            f"The teacher's list of training images, {DATA}, cannot be made from dataset_dir '{folder}': {told}"
        ) from error
    if isinstance(first, Mapping) and not {"image", "label"} <= set(first) and find(config, TRANSFORM) is not None:
        with contextlib.suppress(Exception):  # transforms may make them of other keys
            first = {**first, **parser.get_parsed_content(TRANSFORM)(first)}
    _require_entries(first, written, folder)
    return data


def _require_entries(first: Any, written: Any, folder: str) -> None:
    if first is None:
        raise ValueError(
            f"No training image in '{folder}': {DATA} is {written!r}, which finds none there. Arrange the data as the "
            "teacher's bundle expects them, or change the list: --set id=value."
        )
    if not isinstance(first, Mapping) or "label" not in first or "image" not in first:
        entries = list(first) if isinstance(first, Mapping) else type(first).__name__
        raise ValueError(
            f"The training data have {entries}, but the trainer needs one 'image' and one 'label' for each sample. Use "
            "these two names in the teacher's data list."
        )


def ignored_values(config: Config) -> set[float]:
    """Class numbers in a training's labels that its loss ignores."""
    found = [node["ignore_index"] for node in _nodes(config) if "ignore_index" in node]
    return {float(value) for value in found if isinstance(value, int | float)}


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(item)


def _missing(absent: list[str], has_some: bool, counts: tuple[int, int], folder: str) -> list[str]:
    """What to say about classes that occur in no label; counts are of the labels that were loaded, and of all."""
    looked_at, total = counts
    named = first_few(absent)
    if not absent:
        return []
    if has_some:
        return [
            f"No {named} in the {looked_at} of {total} labels that were checked. The student can learn such a class "
            "only from the teacher."
        ]
    found = f"None of {looked_at} labels in '{folder}' has a class of the teacher ({named}): all are background."
    if looked_at < total:
        return [f"{found} The other {total - looked_at} were not checked. Check that the data set fits the teacher."]
    raise ValueError(f"{found} Name a data set that fits the teacher, or correct its label values.")
