# SPDX-License-Identifier: Apache-2.0
"""The values of one label, and whether the teacher's training accepts them."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from monai.bundle import ConfigParser

from monai_kd.student_bundle.teacher.data_format import DataFormat
from monai_kd.student_bundle.teacher.label_rounding import rounding

__all__ = ["LabelValues"]

LOSS = "train#trainer#loss_function"
OPTION = "--round-labels"


class LabelValues:
    """
    A label as the loss receives it.

    Args:
        label: shape CH[WD].
        file: of the label, for messages.
        data_format: of the teacher.
        ignored: values that the loss ignores.

    Raises:
        ValueError: When the label has neither one channel nor one for each class, or a value is not a class of the
            teacher.

    Example:
        >>> label = LabelValues(torch.tensor([[[0.0, 1.0]]]), "a.png", DataFormat((1, 2), 1, 2, {}))
        >>> sorted(label.classes()), label.lie_between()
        ([0, 1], False)
    """

    def __init__(self, label: torch.Tensor, file: str, data_format: DataFormat, ignored: set[float] | None = None):
        self.label, self.file, self.format = label, file, data_format
        self.is_one_hot = label.shape[0] == data_format.out_channels > 1
        self.last = max(data_format.out_channels, 2) - 1  # one channel means one class and the background
        if self.is_one_hot:
            self.values: set[float] = set()
            return
        self.values = {float(value) for value in torch.unique(label)} - (ignored or set())
        if label.shape[0] != 1:
            raise self._refusal(f"has {label.shape[0]} channels", "")
        if not all(0 <= value <= self.last for value in self.values):
            raise self._refusal(f"has values {self._some()}", self._remedy())

    def classes(self) -> set[int]:
        """The classes in the label as a one-hot encoding would see them: fractions are cut off."""
        if self.is_one_hot:
            return {channel for channel in range(len(self.label)) if bool(self.label[channel].any())}
        if self.format.out_channels > 1:
            return {int(value) for value in self.values}
        return {0} if any(value > 0.5 for value in self.values) else set()

    def lie_between(self) -> bool:
        """Whether some values lie between the classes, as in files with lossy compression."""
        return any(value != int(value) for value in self.values)

    def require_taken(self, parser: ConfigParser) -> None:
        """
        Check that the training's own loss accepts values between the classes.

        Raises:
            ValueError: When it does not.
        """
        logits = torch.zeros(1, self.format.out_channels, *self.label.shape[1:])
        try:
            loss = float(
                parser.get_parsed_content(LOSS)(logits, torch.as_tensor(self.label[None]).as_subclass(torch.Tensor))
            )
        except Exception:
            loss = math.nan
        if not math.isfinite(loss):
            raise self._refusal(f"has values {self._some()}, which the loss does not accept", self._remedy())

    def told(self) -> str:
        """A note about values between the classes that the loss accepts."""
        share = float((self.label != self.label.round()).float().mean())
        return (
            f"'{Path(self.file).name}' has values {self._some()}; {100 * share:.1f} % of its pixels lie between the "
            "classes, as in files with lossy compression. The teacher's loss accepts them. "
            f"{OPTION} gives each pixel the nearest class."
        )

    def _some(self) -> str:
        ordered = sorted(round(value, 4) for value in self.values)
        return str(ordered if len(ordered) <= 6 else [*ordered[:3], "…", *ordered[-3:]]).replace("'", "")

    def _remedy(self) -> str:
        fits = rounding(self.label, self.format.out_channels) is not None
        return f"{OPTION} gives each pixel the nearest class. " if fits else ""

    def _refusal(self, found: str, remedy: str) -> ValueError:
        named = ", ".join(f"{channel} {name}" for channel, name in sorted(self.format.classes.items()))
        return ValueError(
            f"The label '{self.file}' {found}, but the teacher has {self.format.out_channels} classes "
            f"({named or 'not named'}). {remedy}{'Or convert' if remedy else 'Convert'} the labels to its classes, for "
            "instance with MapLabelValued in the teacher's transforms."
        )
