# SPDX-License-Identifier: Apache-2.0
"""Named scanners, each with its own look, for experiments on domain shift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monai_kd.phantom.scanner import Scanner

SCANNERS = {
    # High frequency, some compounding, sharpened edges: fine grain, deep blacks.
    "crisp": Scanner(pulse=0.09, beam=0.14, frames=2, smoothing=0.5, noise=-64, compensation=0.7, clutter=-32,
                     dynamic_range=60, gain=0.46, sharpening=0.5),
    # Many compounded frames and a strong speckle filter: smooth and bright.
    "smooth": Scanner(pulse=0.12, beam=0.2, frames=4, smoothing=1.3, noise=-60, compensation=0.7, clutter=-28,
                      dynamic_range=74, gain=0.52, fading=(-0.2, 0.05), curve=0.95),
    # An older machine with low frequency, no compounding and a small dynamic range: coarse, high contrast.
    "vintage": Scanner(pulse=0.18, beam=0.3, depth_of_field=9, smoothing=1.2, noise=-54, compensation=0.7,
                       clutter=-24, dynamic_range=54, gain=0.435),
    # A battery-powered probe with few channels: clutter and noise, dark in depth.
    "handheld": Scanner(pulse=0.15, beam=0.3, depth_of_field=7, smoothing=0.8, noise=-46, compensation=0.85,
                        clutter=-15, dynamic_range=66, gain=0.41, fading=(-0.55, -0.25), curve=0.8),
}  # fmt: skip
"""Mean settings of each named scanner; each picture varies them."""


def vary(scanner: Scanner, random: np.random.Generator) -> Scanner:
    """The scanner in one examination, with its focus and controls set by the sonographer."""
    u = random.uniform
    return replace(
        scanner,
        focus=u(8, 24),
        noise=scanner.noise + u(-2, 2),
        clutter=scanner.clutter + u(-2, 2),
        dynamic_range=scanner.dynamic_range + u(-2, 2),
        gain=scanner.gain + u(-0.025, 0.025),
    )
