# SPDX-License-Identifier: Apache-2.0
"""The choices for a phantom: probe, scanner, depth, gain, noise, dynamic range, normals and margins."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from monai_kd.phantom.consoles import SCANNERS
from monai_kd.utils.messages import closest

DEPTHS = {"linear": (20.0, 80.0), "curved": (40.0, 150.0)}
"""Smallest and largest depth of each probe, mm."""
RANGES = {"gain": (-30.0, 30.0), "noise": (-30.0, 40.0), "dynamic_range": (30.0, 100.0)}
"""Smallest and largest value of each level, dB."""


@dataclass(frozen=True)
class PhantomSettings:
    """
    How phantoms are scanned and shown. What is None is drawn for each picture.

    One breast (index and seed) has the same anatomy and lesion for every scanner, gain, noise and dynamic range, so two
    domains can differ in these alone. Another probe or depth shows another breast.

    Args:
        probe: "linear", or "curved", whose sector lies on black.
        scanner: one of ``SCANNERS``. Defaults to None: a different one for each picture.
        depth: from the skin to the bottom of the picture, mm; 20–80 for a linear probe, 40–150 for a curved one.
        gain: added to the scanner's, dB; -30 to 30.
        noise: added to the scanner's electronic noise, dB; -30 to 40.
        dynamic_range: between black and white, dB; 30–100. Defaults to None: the scanner's own.
        normal_fraction: share of pictures without a lesion, 0 to 1. The other pictures do not change.
        margins: draw the scanner's margins with text, a ruler and a gray bar around the scan.

    Raises:
        ValueError: When an argument is unknown or out of its range.

    Example:
        >>> PhantomSettings(probe="curved", depth=500)
        Traceback (most recent call last):
        ValueError: depth of a curved probe's picture must be 40 to 150 mm, got 500. Choose a value in this range.
    """

    probe: str = "linear"
    scanner: str | None = None
    depth: float | None = None
    gain: float = 0.0
    noise: float = 0.0
    dynamic_range: float | None = None
    normal_fraction: float = 0.0
    margins: bool = False

    def __post_init__(self) -> None:
        _require_choice("probe", self.probe, DEPTHS)
        if self.scanner is not None:
            _require_choice("scanner", self.scanner, SCANNERS)
        if self.depth is not None:
            _require_range(f"depth of a {self.probe} probe's picture", self.depth, *DEPTHS[self.probe], " mm")
        for name, (low, high) in RANGES.items():
            if (value := getattr(self, name)) is not None:
                _require_range(name, value, low, high, " dB")
        _require_range("normal_fraction", self.normal_fraction, 0, 1, "")


def require_count(count: int, seed: int) -> None:
    """Check that the number of phantoms is 1 or more, and the seed 0 or more."""
    if count < 1:
        raise ValueError(f"count (of phantoms) must be 1 or more, got {count}. Choose another number.")
    if seed < 0:
        raise ValueError(f"seed (of phantoms) must be 0 or more, got {seed}. Choose another number.")


def require_number(index: int, seed: int) -> None:
    """Check that the number of a phantom and the seed are 0 or more."""
    if index < 0 or seed < 0:
        raise ValueError(f"index and seed of a phantom must be 0 or more, got {index} and {seed}. Choose others.")


def _require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    names = list(choices)
    if value not in names:
        raise ValueError(f"No {name} {value!r}. Closest: {closest(value.lower(), names)!r}. Known: {', '.join(names)}.")


def _require_range(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be {low:g} to {high:g}{unit}, got {value:g}. Choose a value in this range.")
