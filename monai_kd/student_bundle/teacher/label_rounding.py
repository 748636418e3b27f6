# SPDX-License-Identifier: Apache-2.0
"""Round the labels of lossy files, whose values lie near the classes, to the nearest class."""

from __future__ import annotations

from typing import Any

import torch

from monai_kd.bundle.config_ids import Config, find
from monai_kd.student_bundle.config_parts import kind

__all__ = ["ROUNDING", "add_rounding", "rounding"]

ROUNDING = "round_labels"
WHITE = range(128, 256)  # possible maximum of a mask that was 0 and 255 before compression


def rounding(values: torch.Tensor, classes: int) -> dict[str, Any] | None:
    """
    The transform that gives each pixel the nearest class, or None if no rule is known for these label values.

    Example:
        >>> rounding(torch.tensor([0, 3, 251, 255]), classes=2)["threshold"]
        127.5
        >>> rounding(torch.tensor([0.0, 0.996, 2.004]), classes=3)["rounding"]
        'torchrounding'
    """
    least, most = float(values.min()), float(values.max())
    transform = {"_target_": "AsDiscreted", "keys": "label"}
    last = max(classes, 2) - 1
    if least > -0.5 and most < last + 0.5:
        return {**transform, "rounding": "torchrounding"}
    if last == 1 and least >= 0 and round(most) in WHITE:
        return {**transform, "threshold": 127.5}
    return None


def add_rounding(config: Config, transform: dict[str, Any], datasets: tuple[str, ...]) -> None:
    """Append the transform to those of the data sets with these ids; an id that the config lacks is skipped."""
    config[ROUNDING] = dict(transform)
    done: set[int] = set()
    for dataset in datasets:
        owner = find(config, dataset)
        if not isinstance(owner, dict) or owner.get("transform") is None:
            continue
        compose = owner["transform"]
        while isinstance(compose, str) and compose[:1] in "@%" and find(config, compose[1:]) is not None:
            compose = find(config, compose[1:])
        if id(compose) in done:  # two data sets may share their transforms
            continue
        if isinstance(compose, dict) and kind(compose) == "Compose":
            done.add(id(compose))
            compose["transforms"] = _longer(compose.get("transforms"))
        else:
            owner["transform"] = {"_target_": "Compose", "transforms": [compose, f"@{ROUNDING}"]}


def _longer(transforms: Any) -> Any:
    if isinstance(transforms, list):
        return [*transforms, f"@{ROUNDING}"]
    text = str(transforms)
    text = f"@{text[1:]}" if text.startswith("%") else text.removeprefix("$")  # a copy of a list cannot be added to
    return f"$[*({text}), @{ROUNDING}]"
