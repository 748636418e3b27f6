# SPDX-License-Identifier: Apache-2.0
"""Options of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monai_kd.label.bundle import AppBundle
from monai_kd.utils.messages import closest

__all__ = ["Options"]

MOST_EPOCHS = 1000
FIRST = "logits_kl"


@dataclass(frozen=True)
class Options:
    """
    The options of a training.

    Args:
        max_epochs: 1 to 1000.
        pathway: an overlay in the bundle's ``configs/methods``.
        supervised_weight: factor of the loss on the annotator's labels.
        distillation_weight: factor of the overlay's own weights.
        learning_rate: highest learning rate of the schedule.
        unlabelled: whether to use the study's unlabelled images.
        pretrained: whether to start from the student in service.
    """

    max_epochs: int
    pathway: str
    supervised_weight: float
    distillation_weight: float
    learning_rate: float
    unlabelled: bool
    pretrained: bool

    @staticmethod
    def choices(bundle: AppBundle) -> dict[str, Any]:
        """The defaults; for ``pathway`` all of the bundle's, the default first."""
        config = bundle.parser("train")
        pathways = sorted(bundle.pathways, key=lambda name: name != FIRST)
        return {
            "max_epochs": 20,
            "pathway": pathways,
            "supervised_weight": config["supervised_weight"],
            "distillation_weight": 1.0,
            "learning_rate": config["learning_rate"],
            "unlabelled": True,
            "pretrained": True,
        }

    @classmethod
    def of(cls, request: Mapping[str, Any], bundle: AppBundle) -> Options:
        """The options of a request, with defaults for those left out; ValueError if one is out of range."""
        choices = cls.choices(bundle)
        given = {name: request.get(name, default) for name, default in choices.items()}
        pathway = given["pathway"][0] if isinstance(given["pathway"], list) else given["pathway"]
        if pathway not in choices["pathway"]:
            raise ValueError(
                f"No pathway {pathway!r}. Closest: {closest(str(pathway), choices['pathway'])!r}. Choose from "
                f"{', '.join(choices['pathway'])}."
            )
        epochs = given["max_epochs"]
        if not isinstance(epochs, int) or isinstance(epochs, bool) or not 1 <= epochs <= MOST_EPOCHS:
            raise ValueError(f"max_epochs must be a whole number from 1 to {MOST_EPOCHS}, got {epochs!r}.")
        for name in ("supervised_weight", "distillation_weight", "learning_rate"):
            given[name] = _positive(name, given[name], zero=name != "learning_rate")
        for name in ("unlabelled", "pretrained"):
            if not isinstance(given[name], bool):
                raise ValueError(f"{name} must be true or false, got {given[name]!r}.")
        return cls(**{**given, "pathway": pathway})


def _positive(name: str, value: Any, zero: bool) -> float:
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and (number > 0 or (zero and number == 0))):
        raise ValueError(f"{name} must be a number {'from' if zero else 'above'} 0, got {value!r}.")
    return number
