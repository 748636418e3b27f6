# SPDX-License-Identifier: Apache-2.0
"""The tissue of a synthetic breast: layers, septa, fat lobules, ribs, and what casts shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating]
PITCH = 0.12
"""Distance of the samples in the simulated grid, in depth and across, mm."""


@dataclass
class Tissue:
    """
    Acoustic maps of a slice (H, W) or a volume (H, W, D); row 0 is at the skin.

    Args:
        echo: level of the diffuse scattering, dB; 0 for fibroglandular tissue.
        mirror: amplitude of smooth interfaces, which reflect as a whole; 1 equals fibroglandular scattering.
        loss: round-trip attenuation beyond what the time-gain compensation corrects, dB per mm.
        pitch: mm between samples, one number for all axes or one for each.
    """

    echo: Field
    mirror: Field
    loss: Field
    pitch: tuple[float, ...] = (PITCH,)


def grid(shape: tuple[int, ...]) -> tuple[Field, Field]:
    """Depth (H, 1) and lateral position (1, W) of every sample, mm."""
    depth, across = (np.arange(n, dtype=np.float32) * np.float32(PITCH) for n in shape)
    return depth[:, None], across[None, :]


def ramp(distance: Field, width: float) -> Field:
    """A soft step from 0 to 1, ``width`` mm wide, around distance 0."""
    return np.clip(distance * np.float32(1 / width) + np.float32(0.5), np.float32(0), np.float32(1))


def line(distance: Field, width: float) -> Field:
    """A Gaussian line of standard deviation ``width`` mm along distance 0."""
    return np.exp(np.square(distance) * np.float32(-0.5 / width**2))


def smooth_field(random: np.random.Generator, shape: tuple[int, ...], depth: float, across: float) -> Field:
    """Random field (H, W) of about zero mean and unit variance that varies over ``depth`` by ``across`` mm."""
    rows, columns = shape[0] * PITCH / depth, shape[1] * PITCH / across
    nodes = random.standard_normal((int(rows) + 4, int(columns) + 4), dtype=np.float32)
    top, left = random.uniform(1, 2, 2)
    box = (left, top, left + columns, top + rows)
    drawn = Image.fromarray(nodes).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box)
    return np.asarray(drawn) * np.float32(1.25)


def facing(distance: Field, pitch: tuple[float, ...] = (PITCH,)) -> Field:
    """Squared cosine (H, W[, D]) of the angle between the beam and the normal of the level lines of ``distance``."""
    depth_slope, slope = _squared_slopes(distance, pitch)
    return depth_slope / slope


def septa(field: Field, width: float, pitch: tuple[float, ...] = (PITCH,)) -> Field:
    """Lines about ``width`` mm thick along the zeros of ``field``; they fade where they do not face the probe."""
    depth_slope, slope = _squared_slopes(field, pitch)
    return np.exp(np.square(field) / slope * np.float32(-0.5 / width**2)) * np.square(depth_slope / slope)


def _squared_slopes(field: Field, pitch: tuple[float, ...]) -> tuple[Field, Field]:
    """Squared slope of ``field`` in depth, and in total, per mm²; the total is kept above zero at extrema."""
    depth_slope, *across_slopes = (np.square(slope) for slope in np.gradient(field, *pitch))
    slope = depth_slope + sum(across_slopes)
    return depth_slope, slope + np.float32(0.05) * slope.mean()


def _interface(random: np.random.Generator, shape: tuple[int, int], depth: float, wave: float) -> Field:
    """Depth (1, W) of a wavy, slightly tilted interface, mm."""
    across = grid(shape)[1]
    tilt = random.normal(0, 0.06) * (across - across.mean())
    return depth + wave * smooth_field(random, (1, shape[1]), 1, 9) + tilt


def _add_lobule(tissue: Tissue, random: np.random.Generator, wobble: Field) -> None:
    """Add a fat lobule: dark, oval and soft, like a lesion, but not one."""
    depth, across = grid(tissue.echo.shape)
    half_height, half_width = random.uniform(0.8, 3), random.uniform(2, 6)
    upright = (depth - random.uniform(0.15, 0.75) * depth.max() + 0.6 * wobble) / half_height
    along = (across - random.uniform(0, 1) * across.max() + 0.6 * wobble) / half_width
    inside = ramp((1 - np.hypot(upright, along)) * half_height, random.uniform(0.5, 1.5))
    tissue.echo -= inside * random.uniform(3, 10)


def _add_shadow(tissue: Tissue, random: np.random.Generator) -> None:
    """Shade some scan lines below a depth, as poor contact or a ligament does."""
    depth, across = grid(tissue.echo.shape)
    start = random.uniform(0.5, 0.4 * float(depth.max()))
    column = line(across - random.uniform(0, 1) * across.max(), random.uniform(0.6, 2.5))
    tissue.loss += line(depth - start, 1) * column * random.uniform(1, 4)


def _add_rib(tissue: Tissue, random: np.random.Generator, muscle: Field, streak: Field) -> None:
    """Add a bright arc with a shadow below the pectoral muscle, which starts at depth ``muscle``."""
    depth, across = grid(tissue.echo.shape)
    aside = across - random.uniform(0.1, 0.9) * across.max()
    half = random.uniform(5, 9)
    top = muscle + random.uniform(3, 7) + np.square(aside / half) * random.uniform(0.8, 2)
    inside = ramp(half - np.abs(aside), 4)
    rough = np.maximum(0.6 + 0.4 * streak, 0)
    tissue.mirror += line(depth - top, 0.2) * inside * rough * random.uniform(0.4, 1.5)
    tissue.loss += line(depth - top - 1, 0.6) * inside * random.uniform(5, 15)


def breast(random: np.random.Generator, shape: tuple[int, int]) -> Tissue:
    """
    Draw skin, subcutaneous fat, fibroglandular tissue and pectoral muscle, without a lesion.

    ``shape`` is that of the maps (H, W), in samples of ``PITCH``.
    """
    u = random.uniform
    depth = grid(shape)[0]
    bottom = float(depth.max())
    skin = u(0.8, 2.0) + 0.15 * smooth_field(random, (1, shape[1]), 1, 8)
    fat_end = _interface(random, shape, u(0.12, 0.4) * bottom, u(0.3, 1.6))
    muscle = _interface(random, shape, u(0.62, 1.1) * bottom, u(0.2, 0.7))
    wobble = smooth_field(random, shape, 2.5, 6)
    patch = smooth_field(random, shape, 2, 7)
    fleck = smooth_field(random, shape, 0.7, 1.6)
    streak = smooth_field(random, shape, 0.4, 4)
    rows = (np.arange(shape[0])[:, None] - (muscle / PITCH).astype(int)) % shape[0]
    fibers = np.take_along_axis(smooth_field(random, shape, 0.5, 14), rows, axis=0)

    into_gland, into_muscle = depth + 0.5 * wobble - fat_end, depth + 0.1 * wobble - muscle
    gland, below = ramp(into_gland, 0.5), ramp(into_muscle, 0.4)
    dense = gland * ramp(patch + u(-0.3, 1.2), 0.8)
    echo = u(-14, -8) * (1 - dense)
    echo += (1.5 + 1.5 * dense) * wobble + (0.8 + dense) * fleck + (1 + 1.5 * dense) * streak
    echo += below * (u(-13, -6) + 2.5 * fibers - echo)
    echo += ramp(skin - depth, 0.3) * (u(-2, 5) - echo)

    mirror = septa(smooth_field(random, shape, 1.6, 10), 0.08) * (1 - 0.6 * gland) * u(0.3, 1.1)
    mirror += septa(smooth_field(random, shape, 0.7, 7), 0.07) * gland * u(0.2, 1.0)
    mirror *= 1 - below
    mirror += septa(fibers, 0.08) * below * u(0.2, 0.8)
    mirror += line(into_gland, 0.1) * u(0.2, 1.2) + line(into_muscle, 0.12) * u(0.4, 1.8)
    mirror *= np.clip(smooth_field(random, shape, 2, 5) + 0.3, 0, 1.5)
    mirror += line(depth - skin, 0.1) * u(0.4, 1.2) + line(depth - 0.15, 0.1) * u(0.5, 2)
    mirror *= np.maximum(1 + 0.4 * streak, 0)

    tissue = Tissue(echo, mirror, 0.15 * dense - 0.05 + 0.25 * np.maximum(patch, 0) * gland)
    for _ in range(random.integers(0, 4)):
        _add_lobule(tissue, random, wobble)
    for _ in range(random.integers(0, 4)):
        _add_shadow(tissue, random)
    if random.random() < 0.2 and float(muscle.mean()) < bottom - 6:
        _add_rib(tissue, random, muscle + 0.25 * wobble, streak)
    return tissue
