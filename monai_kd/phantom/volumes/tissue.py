# SPDX-License-Identifier: Apache-2.0
"""A synthetic breast in three dimensions: layers, septa, fat lobules, and a three-dimensional lesion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from monai_kd.phantom.lesion import SKIN, Lesion, draw_lesion, imprint
from monai_kd.phantom.tissue import Field, Tissue, line, ramp, septa

Shape = tuple[int, int, int]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Block:
    """The grid of a volume: number of samples, and mm between them, in depth, across and along the sweep."""

    shape: Shape
    pitch: Triple

    @property
    def axes(self) -> tuple[Field, Field, Field]:
        """Position of the samples on each axis, mm, shaped to broadcast."""
        positions = [
            np.arange(n, dtype=np.float32) * np.float32(p) for n, p in zip(self.shape, self.pitch, strict=True)
        ]
        return positions[0][:, None, None], positions[1][:, None], positions[2]

    @property
    def extent(self) -> Triple:
        """Length of the axes, mm."""
        return tuple(n * p for n, p in zip(self.shape, self.pitch, strict=True))  # type: ignore[return-value]

    def texture(self, random: np.random.Generator, depth: float, across: float) -> Field:
        """
        Random field of zero mean and unit variance that varies over ``depth`` by ``across`` by ``across`` mm.

        It interpolates random nodes by cubic B-splines, one axis after the other.
        """
        bases = [
            _spline_basis(n, p / size, random.uniform())
            for n, p, size in zip(self.shape, self.pitch, (depth, across, across), strict=True)
        ]
        field = random.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
        for basis in bases:
            field = np.tensordot(field, basis, axes=(0, 1))  # moves the first axis to the end
        return field

    def sheet(self, random: np.random.Generator, depth: float, wave: float) -> Field:
        """Depth (1, W, D) of a wavy, slightly tilted interface, mm."""
        flat = Block((1, *self.shape[1:]), self.pitch)
        _, across, along = self.axes
        tilt = random.normal(0, 0.05, 2)
        slope = tilt[0] * (across - across.mean()) + tilt[1] * (along - along.mean())
        return (depth + wave * flat.texture(random, 1, 9) + slope).astype(np.float32)


def _spline_basis(count: int, step: float, offset: float) -> Field:
    """
    Weights (count, nodes) of cubic B-splines at ``count`` positions, ``step`` nodes apart; their squares sum to 1.
    """
    place = np.arange(count) * step + offset + 1
    away = np.abs(place[:, None] - np.arange(int(place[-1]) + 3))
    weight = np.where(away < 1, 2 / 3 - away**2 + away**3 / 2, np.maximum(2 - away, 0) ** 3 / 6)
    return (weight / np.sqrt(np.square(weight).sum(axis=1, keepdims=True))).astype(np.float32)


def breast_volume(random: np.random.Generator, block: Block) -> Tissue:
    """Draw skin, fat, glandular tissue and pectoral muscle, without a lesion; ``tissue.breast`` does so for a slice."""
    u, depth, bottom = random.uniform, block.axes[0], block.extent[0]
    texture = partial(block.texture, random)
    skin = u(1, 2) + 0.15 * block.sheet(random, 0, 1)
    wobble, patch, streak, fleck = texture(2.5, 6), texture(2, 7), texture(0.5, 4), texture(0.8, 1.6)
    into_gland = depth + 0.5 * wobble - block.sheet(random, u(0.12, 0.35) * bottom, u(0.3, 1.6))
    into_muscle = depth + 0.1 * wobble - block.sheet(random, u(0.68, 1.05) * bottom, u(0.2, 0.7))
    gland, below = ramp(into_gland, 0.6), ramp(into_muscle, 0.6)
    dense = gland * ramp(patch + u(-0.3, 1.2), 0.8)
    echo = u(-14, -8) * (1 - dense)
    echo += (1.5 + 1.5 * dense) * wobble + (0.8 + dense) * fleck + (1 + 1.5 * dense) * streak
    for _ in range(random.integers(1, 5)):
        echo -= _lobule(random, block, wobble) * u(3, 9)
    echo += below * (u(-13, -6) + 2.5 * streak - echo)
    echo += ramp(skin - depth, 0.5) * (u(-2, 5) - echo)

    mirror = septa(texture(1.8, 10), 0.16, block.pitch) * (1 - 0.6 * gland) * u(0.15, 0.6)
    mirror += septa(texture(0.9, 7), 0.14, block.pitch) * gland * u(0.1, 0.5)
    mirror *= 1 - below
    mirror += line(into_gland, 0.18) * u(0.1, 0.5) + line(into_muscle, 0.2) * u(0.3, 1.0)
    mirror *= np.clip(patch + 0.3, 0, 1.5)
    mirror += line(depth - skin, 0.18) * u(0.3, 0.8) + line(depth - 0.3, 0.2) * u(0.5, 1.5)
    return Tissue(echo, mirror, 0.15 * dense - 0.05 + 0.25 * np.maximum(patch, 0) * gland, block.pitch)


def _lobule(random: np.random.Generator, block: Block, wobble: Field) -> Field:
    half = (random.uniform(0.8, 3), random.uniform(2, 6), random.uniform(2, 6))
    low, high = (0.15, 0.0, 0.0), (0.7, 1.0, 1.0)
    center = np.asarray(block.extent) * random.uniform(low, high)
    parts = [(axis - c + 0.6 * wobble) / h for axis, c, h in zip(block.axes, center, half, strict=True)]
    return ramp((1 - np.sqrt(sum(np.square(part) for part in parts))) * half[0], 1.0)


def add_lesion_volume(tissue: Tissue, random: np.random.Generator, block: Block) -> tuple[Field, str]:
    """
    Put one lesion into ``tissue``: a body whose radius varies with direction.

    Returns:
        Depth below the lesion's surface (H, W, D) in mm, positive inside; and the pathology.
    """
    lesion = draw_lesion(random)
    radius = float(np.clip(6 * math.exp(random.normal(0, 0.35)), 3, 0.24 * min(block.extent)))
    longer = math.exp(random.uniform(-0.2, 0.2))
    flat = lesion.aspect ** (-1 / 3)
    half = (radius * lesion.aspect * flat, radius * flat * longer, radius * flat / longer)
    room = [
        max(e - 2 * h - (SKIN if axis == 0 else 0), 0)
        for axis, (e, h) in enumerate(zip(block.extent, half, strict=True))
    ]
    center = [h + place * free for h, place, free in zip(half, random.beta(2, 2, 3), room, strict=True)]
    center[0] = SKIN + half[0] + random.uniform(0, 0.7) * room[0]
    distance = _distance(random, block, lesion, (center[0], center[1], center[2]), half)
    imprint(tissue, lesion, distance, 2 * half[0], random, partial(block.texture, random))
    return distance, lesion.pathology


def _distance(random: np.random.Generator, block: Block, lesion: Lesion, center: Triple, half: Triple) -> Field:
    moved = [
        axis - c + lesion.ragged * block.texture(random, 1.8, 1.8) for axis, c in zip(block.axes, center, strict=True)
    ]
    tilt = random.normal(0, 0.2)
    turned = (
        moved[0] * math.cos(tilt) - moved[1] * math.sin(tilt),
        moved[1] * math.cos(tilt) + moved[0] * math.sin(tilt),
        moved[2],
    )
    scaled = [axis / h for axis, h in zip(turned, half, strict=True)]
    away = np.sqrt(sum(np.square(axis) for axis in scaled)) + np.float32(1e-6)
    outline = np.ones(block.shape, dtype=np.float32)
    direction = [axis / away for axis in scaled]
    for waves in range(2, 6):
        outline += (
            lesion.lobes
            * random.normal()
            / (waves - 1)
            * np.cos(_along(random, direction) * waves + random.uniform(0, 6))
        )
    for _ in range(random.integers(6, 16) if lesion.spikes else 0):
        angle = np.arccos(np.clip(_along(random, direction), -1, 1))
        outline += lesion.spikes * random.uniform(0.3, 1) * np.exp(-angle / random.uniform(0.08, 0.25))
    mean_radius = float(np.prod(half)) ** (1 / 3)
    return np.minimum((np.maximum(outline, 0.35) - away) * mean_radius, block.axes[0] - SKIN)


def _along(random: np.random.Generator, direction: Sequence[Field]) -> Field:
    """Cosine of the angle between each direction and a random axis."""
    axis = random.normal(size=3)
    axis /= np.linalg.norm(axis)
    return sum(part * np.float32(a) for part, a in zip(direction, axis, strict=True))  # type: ignore[return-value]
