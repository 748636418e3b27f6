# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from monai_kd.phantom import SCANNERS, PhantomSettings, draw_phantom, phantom


def gray(**settings):
    return draw_phantom(4, seed=2, settings=PhantomSettings(**settings)).image.astype(float)


def test_phantoms_of_the_first_release_are_still_drawn():
    # Recorded results depend on them: size, pathology, mean gray value and lesion's share of the picture.
    expected = [
        ((442, 541), "Benign", 65.784, 0.10058),
        ((357, 464), "Benign", 50.258, 0.126545),
        ((453, 499), "Malignant", 50.682, 0.028689),
        ((385, 537), "Benign", 97.955, 0.239682),
        ((422, 519), "Malignant", 99.576, 0.039645),
    ]
    for index, (size, pathology, mean, share) in enumerate(expected, start=1):
        image, mask, name = phantom(index)
        assert (image.shape, name) == (size, pathology)
        assert image.mean() == pytest.approx(mean, abs=0.01)
        assert mask.mean() == pytest.approx(share, abs=1e-5)


def test_without_settings_it_is_the_plain_phantom():
    for settings in (None, PhantomSettings()):
        drawn = draw_phantom(3, seed=1, settings=settings)
        image, mask, pathology = phantom(3, seed=1)
        assert np.array_equal(drawn.image, image) and np.array_equal(drawn.mask, mask)
        assert drawn.pathology == pathology
        assert drawn.box == (0, 0, image.shape[1], image.shape[0])
        assert 0.04 < drawn.spacing[0] < 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probe": "convex"}, "No probe 'convex'. Closest: .* Known: linear, curved"),
        ({"scanner": "Smoth"}, "No scanner 'Smoth'. Closest: 'smooth'"),
        ({"depth": 19}, "linear probe's picture must be 20 to 80 mm, got 19"),
        ({"depth": 100}, "20 to 80 mm, got 100"),
        ({"probe": "curved", "depth": 30}, "40 to 150 mm, got 30"),
        ({"depth": math.nan}, "got nan"),
        ({"gain": 31}, "gain must be -30 to 30 dB, got 31"),
        ({"noise": math.inf}, "noise must be -30 to 40 dB, got inf"),
        ({"dynamic_range": 0}, "dynamic_range must be 30 to 100 dB, got 0"),
        ({"normal_fraction": 1.5}, "normal_fraction must be 0 to 1, got 1.5"),
        ({"normal_fraction": -0.1}, "normal_fraction"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PhantomSettings(**settings)


def test_gain_brightens_by_its_share_of_the_dynamic_range():
    plain, louder = gray(), gray(gain=6)
    seen = (plain > 20) & (louder < 235)
    span = 255 * 6 / np.median((louder - plain)[seen])
    assert 50 < span < 80
    assert gray(dynamic_range=40, gain=6)[seen].mean() > louder[seen].mean() - 40


def test_noise_fills_the_depths_first():
    change = gray(noise=25) - gray()
    rows = len(change) // 3
    assert change[-rows:].mean() > change[:rows].mean() + 5


def test_a_smaller_dynamic_range_has_more_contrast():
    assert gray(dynamic_range=45).std() > gray(dynamic_range=90).std() + 8


@pytest.mark.parametrize("scanner", [None, *SCANNERS])
def test_one_breast_keeps_its_anatomy_under_every_scanner(scanner):
    _, mask, pathology = phantom(6, seed=4)
    for settings in (PhantomSettings(scanner=scanner), PhantomSettings(scanner=scanner, gain=5, noise=10)):
        drawn = draw_phantom(6, seed=4, settings=settings)
        assert np.array_equal(drawn.mask, mask) and drawn.pathology == pathology


def test_a_share_has_no_lesion_and_the_others_stay_what_they_are():
    names = {}
    for share in (0.4, 1):
        drawn = [draw_phantom(n, 9, PhantomSettings(normal_fraction=share)) for n in range(1, 13)]
        names[share] = [one.pathology for one in drawn]
        assert all((one.pathology == "Normal") != one.mask.any() for one in drawn)
        for number, one in enumerate(drawn, start=1):
            if one.pathology != "Normal":
                assert np.array_equal(one.image, phantom(number, 9)[0])
    assert 2 <= names[0.4].count("Normal") <= 9
    assert set(names[1]) == {"Normal"}
