# SPDX-License-Identifier: Apache-2.0
"""One phantom: a breast, with or without a lesion, and a scan of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monai_kd.phantom.burn_in import MARGINS, Box, burn_in
from monai_kd.phantom.consoles import SCANNERS, vary
from monai_kd.phantom.outline import add_lesion
from monai_kd.phantom.probe import CurvedProbe, LinearProbe, Probe, Size
from monai_kd.phantom.scanner import Scanner, draw_scanner
from monai_kd.phantom.settings import PhantomSettings, require_number
from monai_kd.phantom.tissue import breast, grid

# Two random sources of their own, for normal breasts and for margins, so that nothing else depends on them.
_NORMAL, _MARGINS = 1, 2


@dataclass(frozen=True)
class Phantom:
    """
    One synthetic picture with its ground truth.

    Args:
        image: (H, W), uint8.
        mask: (H, W), bool; all False for a normal breast.
        pathology: "Benign", "Malignant" or "Normal".
        spacing: height and width of a pixel, mm.
        box: of the scan in the picture: left, top, right, bottom, the last two exclusive.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    pathology: str
    spacing: tuple[float, float]
    box: Box


def draw_phantom(index: int, seed: int = 0, settings: PhantomSettings | None = None) -> Phantom:
    """
    A synthetic B-mode picture of a breast, the same for the same arguments.

    Scatterers of random phase lie in layered tissue. A pulse, and a beam that widens away from its focus, blur them.
    The echoes are attenuated, amplified with depth, and shown on a logarithmic scale (see ``scanner.Scanner``).

    Args:
        index: number of the picture, from 0.
        seed: selects the data set, from 0.
        settings: probe, scanner and more. Defaults to None: the same pictures as :func:`phantom`.

    Raises:
        ValueError: When ``index`` or ``seed`` is negative.

    Example:
        >>> drawn = draw_phantom(1, settings=PhantomSettings(scanner="crisp", margins=True))
        >>> left, top, right, bottom = drawn.box
        >>> drawn.image[top:bottom, left:right].shape == phantom(1)[0].shape
        True
    """
    require_number(index, seed)
    settings = settings or PhantomSettings()
    random = np.random.default_rng([seed, index])
    probe, size = _probe(settings, random)
    tissue = breast(random, probe.shape)
    if is_normal(index, seed, settings):
        mask, pathology = np.zeros(size, dtype=np.bool_), "Normal"
    else:
        distance, pathology = add_lesion(tissue, random, probe)
        mask = probe.mask(distance, size)
    scan = scanner_for(settings, random).deeper(probe.depth).scan(tissue, random, probe.spread(grid(probe.shape)[0]))
    spacing = (probe.extent[0] / size[0], probe.extent[1] / size[1])
    drawn = Phantom(probe.image(scan, size), mask, pathology, spacing, (0, 0, size[1], size[0]))
    return _with_margins(drawn, index, seed, settings, probe.depth) if settings.margins else drawn


def phantom(index: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str]:
    """
    Picture, mask and pathology of ``draw_phantom`` with its default settings.

    Args:
        index: number of the picture, from 0.
        seed: selects the data set, from 0.

    Returns:
        The picture (H, W), 239–791 wide and 233–641 high as in Dataset_A; the mask (H, W) of its lesion; "Benign" or
        "Malignant".

    Raises:
        ValueError: When ``index`` or ``seed`` is negative.

    Example:
        >>> image, mask, pathology = phantom(1)
        >>> image.shape == mask.shape, image.dtype, pathology in ("Benign", "Malignant")
        (True, dtype('uint8'), True)
    """
    drawn = draw_phantom(index, seed)
    return drawn.image, drawn.mask, drawn.pathology


def _probe(settings: PhantomSettings, random: np.random.Generator) -> tuple[Probe, Size]:
    """The probe, and the size (H, W) of its picture in pixels, which are square except for rounding."""
    width = int(np.clip(random.normal(530, 110), 239, 791))
    height = int(np.clip(width * random.uniform(0.65, 0.95), 233, 641))
    across = random.uniform(36, 48)
    if settings.probe == "curved":
        depth = random.uniform(55, 85) if settings.depth is None else settings.depth
        sector = CurvedProbe(depth, radius=random.uniform(45, 60), angle=random.uniform(0.47, 0.6))
        return sector, (width, round(width * sector.extent[1] / sector.extent[0]))
    if settings.depth is None:
        return LinearProbe(across * height / width, across), (height, width)
    return LinearProbe(settings.depth, across), (height, round(height * across / settings.depth))


def is_normal(index: int, seed: int, settings: PhantomSettings) -> bool:
    """Whether a phantom has no lesion."""
    return bool(np.random.default_rng([seed, index, _NORMAL]).random() < settings.normal_fraction)


def scanner_for(settings: PhantomSettings, random: np.random.Generator) -> Scanner:
    """The scanner that ``settings`` ask for, or one drawn for this picture."""
    name, span = settings.scanner, settings.dynamic_range
    scanner = draw_scanner(random) if name is None else vary(SCANNERS[name], random)
    span = scanner.dynamic_range if span is None else span
    return replace(
        scanner,
        noise=scanner.noise + settings.noise,
        dynamic_range=span,
        gain=scanner.gain + settings.gain / span,
    )


def _with_margins(drawn: Phantom, index: int, seed: int, settings: PhantomSettings, depth: float) -> Phantom:
    random = np.random.default_rng([seed, index, _MARGINS])
    margins = MARGINS[settings.scanner or random.choice(list(MARGINS))]
    day = f"20{random.integers(12, 25)}-{random.integers(1, 13):02}-{random.integers(1, 29):02}"
    lines = [
        margins.name,
        f"{margins.probes[settings.probe == 'curved']}  {depth / 10:.1f} cm",
        f"{day}  {random.integers(8, 19)}:{random.integers(60):02}",
        f"MI {random.uniform(0.6, 1.3):.1f}  FR {random.integers(15, 50)} Hz",
    ]
    columns = np.flatnonzero(drawn.mask.any(axis=0))
    result = f"+ 1  {(columns[-1] - columns[0] + 1) * drawn.spacing[1]:.1f} mm" if columns.size else ""
    image, box = burn_in(drawn.image, margins, lines, result, drawn.spacing[0])
    left, top, right, bottom = box
    mask = np.zeros(image.shape, dtype=np.bool_)
    mask[top:bottom, left:right] = drawn.mask
    return replace(drawn, image=image, mask=mask, box=box)
