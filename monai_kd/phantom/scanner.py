# SPDX-License-Identifier: Apache-2.0
"""A scanner that turns acoustic maps of tissue into a B-mode picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_kd.phantom.beam import blur
from monai_kd.phantom.tissue import PITCH, Field, Tissue, grid, smooth_field

DETAIL = 7
"""Window of the mean that sharpening subtracts, samples."""
REACH = 47.0
"""Largest depth that is imaged at the highest frequency, mm."""
PER_DECIBEL = math.log(10) / 20
"""Natural logarithm of the amplitude ratio of one dB."""


@dataclass
class Scanner:
    """
    A probe and the settings of its scanner; lengths in mm, levels in dB.

    Args:
        pulse: standard deviation of the pulse's envelope, in depth.
        beam: standard deviation of the beam at the focus, across.
        focus: depth of the focus.
        depth_of_field: distance from the focus at which the beam is wider by the square root of two.
        frames: pictures of independent speckle averaged into one (spatial compounding).
        smoothing: standard deviation of the speckle filter in depth, samples; 0 for none.
        noise: level of the electronic noise at the surface.
        compensation: time-gain compensation per mm of depth, which amplifies the noise.
        clutter: level of the side lobes, which fill cysts with echoes of the tissue beside them.
        dynamic_range: range between black and white.
        gain: gray value of level 0, from 0 (black) to 1 (white).
        fading: smallest and largest excess of the time-gain compensation, per mm; negative values compensate too
            little.
        curve: exponent of the gray map; above 1 it darkens the middle, below 1 it brightens it.
        sharpening: share of the detail finer than ``DETAIL`` that is added again.
    """

    pulse: float = 0.12
    beam: float = 0.2
    focus: float = 15.0
    depth_of_field: float = 12.0
    frames: int = 1
    smoothing: float = 0.0
    noise: float = -55.0
    compensation: float = 0.8
    clutter: float = -30.0
    dynamic_range: float = 60.0
    gain: float = 0.42
    fading: tuple[float, float] = (-0.4, 0.05)
    curve: float = 1.0
    sharpening: float = 0.0

    def envelope(
        self, amplitude: Field, mirror: Field, random: np.random.Generator, spread: Field | float = 1.0
    ) -> Field:
        """
        Envelope (H, W) of the echoes: random scatterers and interfaces, blurred by the pulse and the beam.

        ``envelope = | pulse(z) * beam(x; z) * (amplitude · n + mirror) |``, with n complex white Gaussian noise of unit
        power and * a convolution. Both filters preserve the power of white noise, so where the amplitude is 1, the
        envelope has a Rayleigh distribution of mean square 1 (Wagner et al. 1983, doi 10.1109/T-SU.1983.31404).

        Args:
            amplitude: (H, W), of the diffuse scattering.
            mirror: (H, W), of the interfaces.
            spread: distance (H, 1) of the scan lines relative to ``PITCH``, see ``probe.Probe``.
        """
        height, width = amplitude.shape
        away = (grid((height, 1))[0] - self.focus) / self.depth_of_field
        pulse = np.array([[self.pulse / PITCH]], np.float32)
        beam = self.beam / PITCH * np.sqrt(1 + np.square(away)) / spread
        total = np.zeros_like(amplitude)
        for _ in range(self.frames):
            noise = random.standard_normal((height, width, 2), dtype=np.float32)
            echo = noise.view(np.complex64)[..., 0] * (amplitude * np.float32(math.sqrt(0.5))) + mirror
            total += np.abs(blur(blur(echo, pulse, axis=0), beam, axis=1))
        if self.smoothing:
            total = ndimage.gaussian_filter(total, (self.smoothing, 1.3 * self.smoothing), truncate=2.5)
        return total / np.float32(self.frames)

    def scan(self, tissue: Tissue, random: np.random.Generator, spread: Field | float = 1.0) -> NDArray[np.uint8]:
        """B-mode picture (H, W) of ``tissue``: attenuation, gain, noise, echoes, logarithm, gray values."""
        depth = grid(tissue.echo.shape)[0]
        lost = ndimage.gaussian_filter1d(np.cumsum(tissue.loss, axis=0) * PITCH, 0.7 / PITCH, axis=1, truncate=2.5)
        sliders = random.uniform(*self.fading) * depth + 2 * smooth_field(random, (depth.size, 1), 9, 1)
        level = sliders - lost
        mirror = tissue.mirror * np.exp(PER_DECIBEL * level)
        # The filters preserve the power of independent echoes, so the powers of noise and clutter are added here.
        power = np.exp(2 * PER_DECIBEL * (tissue.echo + level)) + np.square(mirror)
        beside = Image.fromarray(power).resize((12, 30), Image.Resampling.BOX).resize(power.shape[::-1])
        power += np.maximum(np.asarray(beside), 0) * math.exp(2 * PER_DECIBEL * self.clutter)
        power += np.exp(2 * PER_DECIBEL * (self.noise + self.compensation * depth))
        return self.show(self.envelope(np.sqrt(power), mirror, random, spread))

    def show(self, echo: Field) -> NDArray[np.uint8]:
        """Gray values of an envelope of any rank, on a logarithmic scale."""
        gray = np.log(echo + 1e-6) / (PER_DECIBEL * self.dynamic_range) + self.gain
        if self.sharpening:
            gray += self.sharpening * (gray - ndimage.uniform_filter(gray, DETAIL))
        if self.curve != 1:
            gray = np.clip(gray, 0, 1) ** np.float32(self.curve)
        return np.clip(gray * 255, 0, 255).astype(np.uint8)

    def deeper(self, depth: float) -> Scanner:
        """
        The same scanner at a lower frequency, if ``depth`` (mm) is beyond the usual reach.

        The wavelength, and with it pulse, beam and focus, grow with the depth; attenuation falls with the frequency.
        """
        times = max(1.0, depth / REACH)
        return replace(
            self,
            pulse=self.pulse * times**0.5,
            beam=self.beam * times,
            focus=self.focus * times,
            depth_of_field=self.depth_of_field * times,
            compensation=self.compensation / times,
            fading=(self.fading[0] / times, self.fading[1] / times),
        )


def draw_scanner(random: np.random.Generator) -> Scanner:
    """Draw a scanner: probes and machines differ between clinics, settings between patients."""
    u = random.uniform
    return Scanner(
        pulse=u(0.1, 0.14),
        beam=u(0.15, 0.24),
        focus=u(8, 24),
        depth_of_field=u(8, 16),
        frames=int(random.integers(1, 3)),
        smoothing=u(0.6, 1.3),
        noise=u(-62, -50),
        compensation=u(0.6, 0.9),
        clutter=u(-32, -18),
        dynamic_range=u(55, 75),
        gain=u(0.39, 0.52),
    )
