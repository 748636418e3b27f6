# SPDX-License-Identifier: Apache-2.0
"""The position and outline of a lesion in a slice."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from monai_kd.phantom.lesion import SKIN, Lesion, draw_lesion, imprint
from monai_kd.phantom.probe import Probe
from monai_kd.phantom.tissue import Field, Tissue, grid, smooth_field

USUAL_AREA = 2200.0
"""Largest area that a linear probe shows, mm²; in larger pictures, lesions do not become larger."""


def _outline(random: np.random.Generator, lesion: Lesion) -> Field:
    """Radius of the outline, relative to the mean, at 1024 angles from -π to π."""
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
    random: np.random.Generator, probe: Probe, center: tuple[float, float], radius: float, lesion: Lesion
) -> Field:
    """Distance (H, W) from the outline inwards, mm: positive inside, negative outside and in the skin."""
    shape = probe.shape
    below_surface = grid(shape)[0]
    depth, across = probe.around(center)
    depth = depth + lesion.ragged * smooth_field(random, shape, 1.8, 1.8)
    across = across + lesion.ragged * smooth_field(random, shape, 1.8, 1.8)
    tilt, stretch = random.normal(0, 0.2), math.sqrt(lesion.aspect)
    along = (across * math.cos(tilt) + depth * math.sin(tilt)) * (stretch / radius)
    upright = (depth * math.cos(tilt) - across * math.sin(tilt)) / (stretch * radius)
    step = ((np.arctan2(upright, along) + math.pi) * (512 / math.pi)).astype(np.int32) % 1024
    inwards = (_outline(random, lesion)[step] - np.hypot(along, upright)) * radius
    return np.minimum(inwards, below_surface - SKIN)


def _place(random: np.random.Generator, probe: Probe, lesion: Lesion) -> tuple[tuple[float, float], float]:
    """Center (depth, across) and mean radius, mm; the lesion covers about 1 to 24 % of a picture of usual size."""
    bottom, side = (float(axis.max()) for axis in grid(probe.shape))
    part = min(max(0.05 * math.exp(random.normal(0, 0.75)), 0.008), 0.24)
    radius = math.sqrt(part * min(bottom * side, USUAL_AREA) / math.pi)
    half_height, half_width = radius * math.sqrt(lesion.aspect), radius / math.sqrt(lesion.aspect)
    highest = SKIN + half_height
    depth = random.uniform(highest, max(highest, 0.8 * bottom - half_height))
    across = random.normal(0.5, 0.16) * side
    half_width /= float(probe.spread(depth))
    return (depth, min(max(across, half_width), max(side - half_width, side / 2))), radius


def add_lesion(tissue: Tissue, random: np.random.Generator, probe: Probe) -> tuple[Field, str]:
    """
    Put one lesion into ``tissue``, which lies below ``probe``.

    Returns:
        Distance (H, W) from the outline inwards in mm, positive inside; and the pathology.
    """
    lesion = draw_lesion(random)
    center, radius = _place(random, probe, lesion)
    distance = _distance(random, probe, center, radius, lesion)
    imprint(
        tissue,
        lesion,
        distance,
        2 * radius * math.sqrt(lesion.aspect),
        random,
        partial(smooth_field, random, probe.shape),
    )
    return distance, lesion.pathology
