# SPDX-License-Identifier: Apache-2.0
"""Named scanners, each with a look of its own, for experiments on the shift between domains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monai_kd.phantom.scanner import Scanner

SCANNERS = {
    # High frequency, some compounding, edges sharpened: fine grain, deep blacks.
    "crisp": Scanner(pulse=0.09, beam=0.14, frames=2, smoothing=0.5, noise=-64, compensation=0.7, clutter=-32,
                     dynamic_range=60, gain=0.46, sharpening=0.5),
    # Many compounded frames and a strong speckle filter: smooth and bright.
    "smooth": Scanner(pulse=0.12, beam=0.2, frames=4, smoothing=1.3, noise=-60, compensation=0.7, clutter=-28,
                      dynamic_range=74, gain=0.52, fading=(-0.2, 0.05), curve=0.95),
    # An older cart: low frequency, no compounding, few gray levels apart: coarse and contrasty.
    "vintage": Scanner(pulse=0.18, beam=0.3, depth_of_field=9, smoothing=1.2, noise=-54, compensation=0.7,
                       clutter=-24, dynamic_range=54, gain=0.435),
    # A battery-powered probe: few channels, so clutter and noise; dark below.
    "handheld": Scanner(pulse=0.15, beam=0.3, depth_of_field=7, smoothing=0.8, noise=-46, compensation=0.85,
                        clutter=-15, dynamic_range=66, gain=0.41, fading=(-0.55, -0.25), curve=0.8),
}  # fmt: skip
"""Settings of each named scanner, around which those of its pictures vary."""


def vary(scanner: Scanner, random: np.random.Generator) -> Scanner:
    """One examination by ``scanner``: focus and knobs as the sonographer turned them."""
    u = random.uniform
    return replace(
        scanner,
        focus=u(8, 24),
        noise=scanner.noise + u(-2, 2),
        clutter=scanner.clutter + u(-2, 2),
        dynamic_range=scanner.dynamic_range + u(-2, 2),
        gain=scanner.gain + u(-0.025, 0.025),
    )
