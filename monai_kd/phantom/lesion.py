# SPDX-License-Identifier: Apache-2.0
"""The look of lesions in the synthetic breast: cysts, fibroadenomas and carcinomas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from monai_kd.phantom.tissue import Field, Tissue, facing, line, ramp

SKIN = 1.2
"""Thickness of the skin, into which no lesion grows, mm."""


@dataclass
class Lesion:
    """
    How a lesion looks; lengths in mm, levels in dB.

    Args:
        aspect: height over width; above 1 is taller than wide.
        lobes: amplitude of the broad waves of the outline, relative to the radius.
        spikes: length of the spicules, relative to the radius.
        ragged: displacement of the outline by small irregularities.
        margin: width of the transition to the surrounding tissue.
        contrast: how much darker the lesion is than the surrounding tissue.
        uneven: how much the level varies inside.
        capsule: amplitude of the thin bright border where it faces the probe.
        halo: level added around the lesion.
        shadow: round-trip attenuation over the lesion's height; negative values enhance what lies behind.
        edge_shadow: attenuation along the flanks, which refract the beam away, dB per mm.
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


def imprint(
    tissue: Tissue,
    lesion: Lesion,
    distance: Field,
    height: float,
    random: np.random.Generator,
    texture: Callable[[float, float], Field],
) -> None:
    """
    Change ``tissue`` to ``lesion`` where ``distance`` (mm, inwards) is positive, and change what lies around and
    behind.

    Args:
        tissue: the maps to change, of any rank.
        distance: of the maps' shape.
        height: of the lesion, mm.
        texture: draws a random field of the maps' shape, given the mm over which it varies in depth and across.
    """
    inside = ramp(distance, lesion.margin)
    around = float(np.average(tissue.echo, weights=line(distance + 1.5, 0.8)))
    uneven = texture(1.5, 2.5) + 0.7 * texture(0.4, 2)
    tissue.echo += lesion.halo * line(distance + 1, 0.9) * (1 - inside)
    tissue.echo += inside * (around - lesion.contrast + lesion.uneven * uneven - tissue.echo)

    upright = facing(distance, tissue.pitch)
    broken = np.clip(0.7 + 0.5 * texture(2, 3), 0, 1.5)
    tissue.mirror *= 1 - inside
    tissue.mirror += lesion.capsule * line(distance, 0.1) * upright * broken
    spots = np.nonzero(distance > 0.5)
    for spot in random.integers(0, max(spots[0].size, 1), min(lesion.calcifications, spots[0].size)):
        tissue.mirror[tuple(axis[spot] for axis in spots)] += random.uniform(2, 6)

    tissue.loss += lesion.shadow / height * inside
    tissue.loss += lesion.edge_shadow * line(distance + 0.3, 0.4) * np.square(1 - upright)
