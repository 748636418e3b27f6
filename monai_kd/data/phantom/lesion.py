# SPDX-License-Identifier: Apache-2.0
"""Lesions for the synthetic breast: cysts, fibroadenomas and carcinomas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monai_kd.data.phantom.tissue import Field, Tissue, facing, grid, line, ramp, smooth_field

_SKIN = 1.2


@dataclass
class Lesion:
    """How a lesion looks; lengths in mm, levels in dB.

    Args:
        pathology: "Benign" or "Malignant".
        aspect: height over width; above 1 is taller than wide.
        lobes: size of the broad waves of the outline, relative to the radius.
        spikes: length of the spicules, relative to the radius.
        ragged: displacement of the outline by small irregularities.
        margin: width of the transition to the tissue around.
        contrast: how much darker it is than the tissue around.
        uneven: how much the level varies inside.
        capsule: amplitude of the thin bright border where it faces the probe.
        halo: level added around the lesion.
        shadow: round-trip attenuation over the lesion's height; negative enhances what lies behind.
        edge_shadow: attenuation along the flanks, where the beam is refracted away, dB per mm.
        calcifications: number of bright specks.
    """

    pathology: str
    aspect: float
    lobes: float
    ragged: float
    margin: float
    contrast: float
    uneven: float
    shadow: float
    spikes: float = 0.0
    capsule: float = 0.0
    halo: float = 0.0
    edge_shadow: float = 0.0
    calcifications: int = 0


def draw_lesion(random: np.random.Generator) -> Lesion:
    """Draw a carcinoma (one in three, as in Dataset_A), a fibroadenoma or a cyst."""
    u = random.uniform
    kind = random.choice(["carcinoma", "fibroadenoma", "cyst"], p=[0.33, 0.51, 0.16])
    if kind == "carcinoma":
        return Lesion(
            pathology="Malignant",
            aspect=u(0.6, 1.4),
            lobes=u(0.08, 0.2),
            ragged=u(0.15, 0.45),
            margin=u(0.3, 2),
            contrast=u(5, 12),
            uneven=u(1, 3.5),
            shadow=max(-2, u(-4, 14)),
            spikes=max(0, u(-0.6, 0.6)),
            halo=max(0, u(-2, 6)),
            calcifications=max(0, int(u(-12, 12))),
        )
    if kind == "cyst":
        return Lesion(
            pathology="Benign",
            aspect=u(0.5, 1),
            lobes=u(0.02, 0.05),
            ragged=u(0.05, 0.15),
            margin=u(0.1, 0.4),
            contrast=u(10, 22),
            uneven=u(0.5, 2),
            shadow=-u(4, 11),
            capsule=u(0, 0.8),
            edge_shadow=max(0, u(-1, 1.5)),
        )
    return Lesion(
        pathology="Benign",
        aspect=u(0.38, 0.85),
        lobes=u(0.02, 0.1),
        ragged=u(0.05, 0.25),
        margin=u(0.1, 1),
        contrast=u(4.5, 11),
        uneven=u(0.5, 2.5),
        shadow=-max(0, u(-3, 8)),
        capsule=max(0, u(-0.4, 0.8)),
        edge_shadow=max(0, u(-1, 1.5)),
    )


def _outline(random: np.random.Generator, lesion: Lesion) -> Field:
    """Radius of the outline, relative to the mean, at 1024 angles from -π on."""
    angle = np.linspace(-math.pi, math.pi, 1024, endpoint=False, dtype=np.float32)
    radius = np.ones_like(angle)
    for waves in range(2, 6):
        radius += lesion.lobes * random.normal() / (waves - 1) * np.cos(waves * angle + random.uniform(0, 2 * math.pi))
    if lesion.spikes:
        for _ in range(random.integers(4, 11)):
            aside = np.abs((angle - random.uniform(-math.pi, math.pi) + math.pi) % (2 * math.pi) - math.pi)
            radius += lesion.spikes * random.uniform(0.3, 1) * np.exp(-aside / random.uniform(0.06, 0.2))
    return np.maximum(radius, 0.35)


def _distance(
    random: np.random.Generator, shape: tuple[int, ...], center: tuple[float, float], radius: float, lesion: Lesion
) -> Field:
    """Distance (H, W) inwards from the outline, mm: positive inside, negative outside and in the skin."""
    below_surface, across = grid(shape)
    depth = below_surface - center[0] + lesion.ragged * smooth_field(random, shape, 1.8, 1.8)
    across = across - center[1] + lesion.ragged * smooth_field(random, shape, 1.8, 1.8)
    tilt, stretch = random.normal(0, 0.2), math.sqrt(lesion.aspect)
    along = (across * math.cos(tilt) + depth * math.sin(tilt)) * (stretch / radius)
    upright = (depth * math.cos(tilt) - across * math.sin(tilt)) / (stretch * radius)
    step = ((np.arctan2(upright, along) + math.pi) * (512 / math.pi)).astype(np.int32) % 1024
    inwards = (_outline(random, lesion)[step] - np.hypot(along, upright)) * radius
    return np.minimum(inwards, below_surface - _SKIN)


def _place(random: np.random.Generator, shape: tuple[int, ...], lesion: Lesion) -> tuple[tuple[float, float], float]:
    """Center (depth, across) and mean radius, mm; the lesion covers about 1 to 24 % of the picture."""
    bottom, side = (float(axis.max()) for axis in grid(shape))
    part = min(max(0.05 * math.exp(random.normal(0, 0.75)), 0.008), 0.24)
    radius = math.sqrt(part * bottom * side / math.pi)
    half_height, half_width = radius * math.sqrt(lesion.aspect), radius / math.sqrt(lesion.aspect)
    highest = _SKIN + half_height
    depth = random.uniform(highest, max(highest, 0.8 * bottom - half_height))
    across = random.normal(0.5, 0.16) * side
    return (depth, min(max(across, half_width), max(side - half_width, side / 2))), radius


def add_lesion(tissue: Tissue, random: np.random.Generator) -> tuple[Field, str]:
    """Put one lesion into ``tissue``.

    Returns:
        the distance (H, W) inwards from its outline in mm, positive inside; and its pathology.
    """
    lesion = draw_lesion(random)
    shape = tissue.echo.shape
    center, radius = _place(random, shape, lesion)
    distance = _distance(random, shape, center, radius, lesion)
    inside = ramp(distance, lesion.margin)
    around = float(np.average(tissue.echo, weights=line(distance + 1.5, 0.8)))
    texture = smooth_field(random, shape, 1.5, 2.5) + 0.7 * smooth_field(random, shape, 0.4, 2)
    tissue.echo += lesion.halo * line(distance + 1, 0.9) * (1 - inside)
    tissue.echo += inside * (around - lesion.contrast + lesion.uneven * texture - tissue.echo)

    upright = facing(distance)
    broken = np.clip(0.7 + 0.5 * smooth_field(random, shape, 2, 3), 0, 1.5)
    tissue.mirror *= 1 - inside
    tissue.mirror += lesion.capsule * line(distance, 0.1) * upright * broken
    rows, columns = np.nonzero(distance > 0.5)
    for spot in random.integers(0, max(rows.size, 1), min(lesion.calcifications, rows.size)):
        tissue.mirror[rows[spot], columns[spot]] += random.uniform(2, 6)

    tissue.loss += lesion.shadow / (2 * radius * math.sqrt(lesion.aspect)) * inside
    tissue.loss += lesion.edge_shadow * line(distance + 0.3, 0.4) * np.square(1 - upright)
    return distance, lesion.pathology
