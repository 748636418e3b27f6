# SPDX-License-Identifier: Apache-2.0
"""A scanner that moves its probe over the breast at constant speed, so that its slices form a volume."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_kd.phantom.beam import blur
from monai_kd.phantom.scanner import PER_DECIBEL, Scanner
from monai_kd.phantom.tissue import PITCH, Field, Tissue
from monai_kd.phantom.volumes.tissue import Block

ELEVATION = 0.7
"""Standard deviation of the beam along the sweep at its focus, mm; in this direction, the lens is fixed and weak."""


def sweep(scanner: Scanner, tissue: Tissue, random: np.random.Generator, block: Block) -> NDArray[np.uint8]:
    """Gray values (H, W, D), with half of the tissue's samples in depth; the physics of ``Scanner.scan``."""
    depth = block.axes[0]
    lost = np.cumsum(tissue.loss, axis=0) * np.float32(block.pitch[0])
    for axis in (1, 2):
        lost = ndimage.gaussian_filter1d(lost, 0.7 / block.pitch[axis], axis=axis, truncate=2.5)
    level = np.float32(random.uniform(*scanner.fading)) * depth - lost
    mirror = tissue.mirror * np.exp(np.float32(PER_DECIBEL) * level)
    power = np.exp(np.float32(2 * PER_DECIBEL) * (tissue.echo + level)) + np.square(mirror)
    power += power.mean(axis=(1, 2), keepdims=True) * np.float32(math.exp(2 * PER_DECIBEL * scanner.clutter))
    power += np.exp(np.float32(2 * PER_DECIBEL) * (scanner.noise + scanner.compensation * depth))
    noise = random.standard_normal((*block.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    noise *= np.sqrt(power * np.float32(0.5))
    noise += mirror
    away = np.sqrt(1 + np.square((depth - scanner.focus) / scanner.depth_of_field))
    for axis, width in enumerate(
        (np.full((1, 1, 1), scanner.pulse, np.float32), scanner.beam * away, ELEVATION * away)
    ):
        noise = blur(noise, width / np.float32(block.pitch[axis]), axis)
    smoothing = [scanner.smoothing * PITCH / pitch for pitch in block.pitch]
    return scanner.show(halve(ndimage.gaussian_filter(np.abs(noise), smoothing, truncate=2.5)))


def halve(field: Field) -> Field:
    """Average each two samples in depth."""
    return (field[::2] + field[1::2]) / 2
