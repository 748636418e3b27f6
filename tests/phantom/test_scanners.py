# SPDX-License-Identifier: Apache-2.0
"""The gap between named scanners, and the marks of benign and malignant lesions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_kd.phantom import SCANNERS, PhantomSettings, draw_phantom, phantom
from monai_kd.phantom.lesion import Lesion, imprint
from monai_kd.phantom.scanner import Scanner
from monai_kd.phantom.tissue import Tissue, grid

COUNT = 8


def correlation_length(image, axis, pitch):
    """Millimeters after which the speckle's autocorrelation has fallen to a half."""
    speckle = image - ndimage.gaussian_filter(image, 8)
    power = np.abs(np.fft.fft(speckle[60:-60, 60:-60], axis=axis)) ** 2
    correlation = np.fft.ifft(power, axis=axis).real.mean(axis=1 - axis)
    half = correlation[0] / 2
    step = int(np.argmax(correlation < half))
    return pitch * (step - (half - correlation[step]) / (correlation[step - 1] - correlation[step]))


def look(drawn):
    image = drawn.image.astype(float)
    lengths = [correlation_length(image, axis, drawn.spacing[axis]) for axis in (0, 1)]
    return [image.mean(), image.std(), *lengths]


@pytest.fixture(scope="module")
def looks():
    return np.array(
        [[look(draw_phantom(n, 5, PhantomSettings(scanner=name))) for n in range(1, COUNT + 1)] for name in SCANNERS]
    )


def test_scanners_differ_more_than_pictures_of_one_scanner(looks):
    between, within = looks.mean(axis=1).std(axis=0), looks.std(axis=1).mean(axis=0)
    assert (between > within).all()


def test_a_picture_tells_its_scanner(looks):
    scaled = looks / looks.std(axis=1).mean(axis=0)
    distance = np.linalg.norm(scaled[:, :, None] - scaled.mean(axis=1), axis=-1)
    assert (distance.argmin(axis=-1) == np.arange(len(SCANNERS))[:, None]).mean() > 0.8


def test_crisp_has_the_finest_and_smooth_the_flattest_speckle(looks):
    of = dict(zip(SCANNERS, looks.mean(axis=1), strict=True))
    assert min(of, key=lambda name: of[name][2]) == "crisp"
    assert min(of, key=lambda name: of[name][1]) == "smooth"


@pytest.mark.parametrize(("shadow", "darker"), [(12, True), (-12, False)])
def test_a_lesion_shadows_or_enhances_what_lies_behind(shadow, darker):
    depth, across = grid((300, 300))
    distance = (4 - np.hypot(depth - 12, across - 18)).astype(np.float32)
    tissue = Tissue(*(np.zeros_like(distance) for _ in range(3)))
    lesion = Lesion("Benign", 1, 0, 0, 0.3, contrast=8, uneven=0, shadow=shadow)
    random = np.random.default_rng(0)
    imprint(tissue, lesion, distance, 8, random, lambda *_: np.zeros_like(distance))
    image = Scanner(frames=3).scan(tissue, random).astype(float)
    behind, beside = image[150:230, 135:165].mean(), image[150:230, :60].mean()
    assert (behind < beside - 12) if darker else (behind > beside + 12)
    assert image[85:115, 140:160].mean() < image[85:115, :60].mean() - 10


def test_class_marks_tell_benign_from_malignant():
    marks, malignant = [], []
    for index in range(1, 41):
        image, mask, pathology = phantom(index, seed=12)
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        below = slice(rows[-1] + 4, rows[-1] + np.ptp(rows) // 2 + 12)
        middle = image[below, columns[0] + np.ptp(columns) // 4 : columns[-1] - np.ptp(columns) // 4]
        lost = 1 - ndimage.binary_opening(mask, iterations=int(mask.sum() ** 0.5 / 12)).sum() / mask.sum()
        behind = middle.mean() - image[below].mean() if middle.size else 0.0
        marks.append([np.ptp(rows) / np.ptp(columns), lost, -behind])
        malignant.append(pathology == "Malignant")
    marks = (np.array(marks) - np.mean(marks, axis=0)) / np.std(marks, axis=0)
    of = np.array(malignant)
    assert (marks[of].mean(axis=0) > marks[~of].mean(axis=0) + 0.5).all()  # taller, spiculated, shadowed
    score = marks.sum(axis=1)
    assert (score[of][:, None] > score[~of]).mean() > 0.85
