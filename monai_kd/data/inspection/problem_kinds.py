# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a data set, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of problem: does it prevent training, and what will be done about it."""

    prevents_training: bool
    consequence: str


REFUSED = "Refused: training starts when it is mended or removed."
TOGETHER = "Kept in one part of every split."

KINDS = {
    "layout": Kind(True, "Refused: nothing is read until the folder is in order."),
    "split file": Kind(True, "Refused: make another with 'data split'."),
    "unreadable image": Kind(True, REFUSED),
    "unusable mask": Kind(True, REFUSED),
    "not two-dimensional": Kind(True, "Refused by the shipped configs, which train on single images and frames."),
    "not 0 to 255": Kind(True, "Refused by the shipped configs, which expect gray values of 8 bits."),
    "duplicates disagree": Kind(False, "Used as they are: keep the right one, remove the others."),
    "duplicates": Kind(False, TOGETHER),
    "near duplicates": Kind(False, f"{TOGETHER} If they are different pictures, 'data split --no-near-duplicates'."),
    "patient of several pathologies": Kind(False, f"Used as it is. {TOGETHER}"),
    "empty mask": Kind(False, "Used as it is: the model learns that there is no lesion."),
    "lesion in a normal case": Kind(False, "Used as it is: is the pathology right, or the mask?"),
    "mask covers everything": Kind(False, "Used as it is: the model learns that all is lesion."),
    "inverted mask": Kind(False, "Used as it is: the lesion should be the bright part of the mask."),
    "tiny lesion": Kind(False, "Used as it is: at a smaller image size it vanishes."),
    "display setting": Kind(False, "Used as it is: the setting is not applied, the values are those stored."),
    "constant image": Kind(False, "Used as it is: there is nothing to see on it."),
    "dark image": Kind(False, "Used as it is."),
}
"""Every kind of problem, the gravest first."""


@dataclass(frozen=True)
class Problem:
    """
    Something to mend or to look at.

    Args:
        kind: one of ``KINDS``.
        ids: the images concerned; empty where it is the whole data set.
        message: what was found, naming files or ids.

    Example:
        >>> Problem("empty mask", ("1",), "1: the mask is empty").prevents_training
        False
    """

    kind: str
    ids: tuple[str, ...]
    message: str

    @property
    def prevents_training(self) -> bool:
        """Whether training would refuse the data set."""
        return KINDS[self.kind].prevents_training

    @property
    def consequence(self) -> str:
        """What will be done about it."""
        return KINDS[self.kind].consequence
