# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from monai_kd.phantom import PhantomSettings, draw_phantom
from monai_kd.phantom.probe import CurvedProbe, LinearProbe
from monai_kd.phantom.scanner import Scanner
from monai_kd.phantom.tissue import grid

CURVED = CurvedProbe(depth=60, radius=50, angle=0.5)
LINEAR = LinearProbe(depth=40, width=45)


def pixels(probe, width):
    height = round(width * probe.extent[0] / probe.extent[1])
    return (height, width), probe.extent[0] / height * probe.extent[1] / width


def disc(probe, center, radius):
    return radius - np.hypot(*probe.around(center))


@pytest.mark.parametrize("across", [0.3, 0.5, 0.7])
def test_a_body_covers_as_many_square_millimeters_under_both_probes(across):
    for probe, depth in ((LINEAR, 20), (CURVED, 15), (CURVED, 45)):
        center = (depth, across * grid(probe.shape)[1].max())
        size, area = pixels(probe, 500)
        assert probe.mask(disc(probe, center, 7), size).sum() * area == pytest.approx(np.pi * 49, rel=0.02)


def test_a_disc_stays_a_disc_wherever_it_lies_in_the_sector():
    size, _ = pixels(CURVED, 600)
    for depth, across in ((15, 0.3), (45, 0.7)):
        rows, columns = np.nonzero(CURVED.mask(disc(CURVED, (depth, across * grid(CURVED.shape)[1].max()), 7), size))
        assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_the_sector_is_black_outside_and_only_there():
    size, area = pixels(CURVED, 400)
    image = CURVED.image(np.full(CURVED.shape, 200, np.uint8), size)
    assert set(np.unique(image)) == {0, 200}
    sector = CURVED.angle * ((CURVED.radius + CURVED.depth) ** 2 - CURVED.radius**2)
    assert (image > 0).sum() * area == pytest.approx(sector, rel=0.01)
    assert image[0, 200] == 0 and image[-1, 200] == 200  # the probe's face bulges into the picture
    assert image[-1, 0] == image[-1, -1] == image[0, 0] == 0
    assert np.array_equal(image, image[:, ::-1])


def test_gray_values_and_mask_go_through_the_same_geometry():
    size, _ = pixels(CURVED, 400)
    distance = disc(CURVED, (25, 0.6 * grid(CURVED.shape)[1].max()), 8)
    image = CURVED.image((distance > 0).astype(np.uint8) * 255, size)
    mask = CURVED.mask(distance, size)
    assert ((image > 127) != mask).sum() < 0.02 * mask.sum()


def test_scan_lines_diverge_with_depth():
    assert CURVED.spread(0.0) == pytest.approx(50 / 80)
    assert CURVED.spread(60.0) == pytest.approx(110 / 80)
    assert LINEAR.spread(60.0) == 1


def test_the_beam_of_a_curved_probe_widens_in_millimeters():
    scatterers = np.zeros(CURVED.shape, np.float32)
    rows = [120, 420]  # 14 and 50 mm deep
    scatterers[rows, CURVED.shape[1] // 2] = 1
    depth = grid(CURVED.shape)[0]
    echo = Scanner(focus=14, depth_of_field=10).envelope(
        np.zeros_like(scatterers), scatterers, np.random.default_rng(0), CURVED.spread(depth)
    )
    size, _ = pixels(CURVED, 2000)
    image = CURVED.image((255 * echo / echo.max(axis=1, keepdims=True).clip(1e-6)).astype(np.uint8), size)
    per_mm = size[0] / CURVED.extent[0]
    face = CURVED.radius * (1 - np.cos(CURVED.angle))
    for row in rows:
        width = (image[round((face + row * 0.12) * per_mm)] > 127).sum() / per_mm
        deviation = 0.2 * np.hypot(1, (row * 0.12 - 14) / 10)
        assert width == pytest.approx(2 * np.sqrt(2 * np.log(2)) * deviation, rel=0.15)


def test_curved_phantoms_are_sectors_with_their_lesion_inside():
    for index in range(1, 7):
        drawn = draw_phantom(index, settings=PhantomSettings(probe="curved"))
        assert drawn.image.shape == drawn.mask.shape
        assert drawn.spacing[0] == pytest.approx(drawn.spacing[1], rel=0.01)
        assert drawn.image[:5, :5].max() == drawn.image[-5:, -5:].max() == 0
        assert 50 < drawn.image.shape[0] * drawn.spacing[0] < 110
        assert drawn.mask.any() and (drawn.image[drawn.mask] > 0).mean() > 0.5


@pytest.mark.parametrize(("probe", "depth"), [("linear", 25), ("linear", 70), ("curved", 45), ("curved", 140)])
def test_depth_is_what_the_picture_shows(probe, depth):
    drawn = draw_phantom(2, settings=PhantomSettings(probe=probe, depth=depth))
    shown = drawn.image.shape[0] * drawn.spacing[0]
    assert shown == pytest.approx(depth) if probe == "linear" else depth < shown < depth + 12
    assert drawn.spacing[0] == pytest.approx(drawn.spacing[1], rel=0.01)
    rows, columns = drawn.image.shape
    assert drawn.image[-rows // 4 :, columns // 2].mean() > 5  # the bottom is not cut off
