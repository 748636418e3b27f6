# SPDX-License-Identifier: Apache-2.0
"""The kinds of problems of a data set, and their consequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of problem: whether it prevents training, and what happens then."""

    prevents_training: bool
    consequence: str


REFUSED = "Refused: correct or remove it before training."
TOGETHER = "Kept in one part of every split."

KINDS = {
    "layout": Kind(True, "Refused: correct the folder first."),
    "split file": Kind(True, "Refused: make a new one with 'data split'."),
    "unreadable image": Kind(True, REFUSED),
    "unusable mask": Kind(True, REFUSED),
    "not two-dimensional": Kind(True, "Refused by the shipped configs, which train on single images and frames."),
    "not 0 to 255": Kind(True, "Refused by the shipped configs, which expect gray values of 8 bits."),
    "duplicates disagree": Kind(False, "Used as they are: keep the correct one and remove the others."),
    "duplicates": Kind(False, TOGETHER),
    "near duplicates": Kind(False, f"{TOGETHER} If they differ, use 'data split --no-near-duplicates'."),
    "patient of several pathologies": Kind(False, f"Used as it is. {TOGETHER}"),
    "empty mask": Kind(False, "Used as it is: the model learns that there is no lesion."),
    "lesion in a normal case": Kind(False, "Used as it is: check both the pathology and the mask."),
    "mask covers everything": Kind(False, "Used as it is: the model learns that everything is lesion."),
    "inverted mask": Kind(False, "Used as it is: the lesion should be the bright part of the mask."),
    "tiny lesion": Kind(False, "Used as it is: it may vanish when the image is made smaller."),
    "display setting": Kind(False, "Used as it is: the setting is not applied, and the stored values are read."),
    "constant image": Kind(False, "Used as it is: it shows nothing."),
    "dark image": Kind(False, "Used as it is."),
}
"""Every kind of problem, the most serious first."""


@dataclass(frozen=True)
class Problem:
    """
    Something to correct or to check.

    Args:
        kind: key of ``KINDS``.
        ids: of the images concerned; empty if the problem concerns the whole data set.
        message: with the files or ids.
    """

    kind: str
    ids: tuple[str, ...]
    message: str

    @property
    def prevents_training(self) -> bool:
        """Whether training refuses the data set for this."""
        return KINDS[self.kind].prevents_training

    @property
    def consequence(self) -> str:
        """What happens with the data, and what to do."""
        return KINDS[self.kind].consequence
