# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_kd.phantom import phantom
from monai_kd.phantom.scanner import Scanner
from monai_kd.phantom.tissue import Tissue

COUNT = 24


@pytest.fixture(scope="module")
def phantoms():
    return [phantom(index) for index in range(1, COUNT + 1)]


def test_same_arguments_give_the_same_phantom(phantoms):
    image, mask, pathology = phantom(5)
    assert np.array_equal(image, phantoms[4][0]) and np.array_equal(mask, phantoms[4][1])
    assert pathology == phantoms[4][2]


def test_every_index_and_seed_gives_another_phantom(phantoms):
    pictures = [image.tobytes() for image, _, _ in phantoms] + [phantom(5, seed=1)[0].tobytes()]
    assert len(set(pictures)) == COUNT + 1


def test_sizes_types_and_masks_are_those_of_dataset_a(phantoms):
    for image, mask, pathology in phantoms:
        assert image.dtype == np.uint8 and mask.dtype == np.bool_ and image.shape == mask.shape
        assert 233 <= image.shape[0] <= 641 and 239 <= image.shape[1] <= 791
        assert 0.005 < mask.mean() < 0.4
        assert pathology in ("Benign", "Malignant")
    assert len({image.shape for image, _, _ in phantoms}) > COUNT // 2


def test_both_pathologies_occur(phantoms):
    assert 0.1 < np.mean([pathology == "Malignant" for _, _, pathology in phantoms]) < 0.6


def test_a_mask_is_one_piece(phantoms):
    for _, mask, _ in phantoms:
        sizes = np.bincount(ndimage.label(mask)[0].ravel())[1:]
        assert sizes.max() > 0.97 * mask.sum()


def test_lesions_are_darker_than_around_but_gray_alone_does_not_find_them(phantoms):
    darker, overlap = [], []
    for image, mask, _ in phantoms:
        ring = ndimage.binary_dilation(mask, iterations=12) & ~mask
        darker.append(image[mask].mean() < image[ring].mean())
        found = image < (image[mask].mean() + image[ring].mean()) / 2
        overlap.append(2 * (found & mask).sum() / (found.sum() + mask.sum()))
    assert np.mean(darker) > 0.85
    assert np.median(overlap) < 0.6


def test_carcinomas_have_rougher_outlines_than_benign_lesions(phantoms):
    def roughness(mask):
        perimeter = (mask ^ ndimage.binary_erosion(mask)).sum()
        return perimeter**2 / mask.sum()

    benign, malignant = (
        [roughness(mask) for _, mask, name in phantoms if name == kind] for kind in ("Benign", "Malignant")
    )
    assert np.median(malignant) > np.median(benign)


def test_homogeneous_scattering_has_a_rayleigh_envelope():
    ones, random = np.ones((300, 300), np.float32), np.random.default_rng(0)
    envelope = Scanner().envelope(ones, np.zeros_like(ones), random)[30:-30, 30:-30]
    assert envelope.dtype == np.float32
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.06)
    assert np.square(envelope).mean() == pytest.approx(1, abs=0.05)


def test_compounding_raises_the_signal_to_noise_ratio_by_the_root_of_the_frames():
    ones, random = np.ones((300, 300), np.float32), np.random.default_rng(0)
    envelope = Scanner(frames=4).envelope(ones, np.zeros_like(ones), random)[30:-30, 30:-30]
    assert envelope.mean() / envelope.std() == pytest.approx(2 * 1.91, rel=0.05)


def test_the_beam_widens_away_from_the_focus():
    scatterer = np.zeros((340, 201), np.float32)
    scatterer[[83, 291], 100] = 1  # 10 and 35 mm deep
    envelope = Scanner(focus=10, depth_of_field=10).envelope(
        np.zeros_like(scatterer), scatterer, np.random.default_rng(0)
    )
    near, far = ((envelope[row] > envelope[row].max() / 2).sum() for row in (83, 291))
    assert far > 2 * near


def test_attenuation_darkens_what_lies_below():
    loss = np.zeros((300, 300), np.float32)
    loss[100:110, 100:200] = 10
    tissue = Tissue(np.zeros_like(loss), np.zeros_like(loss), loss)
    image = Scanner().scan(tissue, np.random.default_rng(0)).astype(float)
    assert image[150:, 120:180].mean() < image[150:, :70].mean() - 20
    assert image[:90, 120:180].mean() == pytest.approx(image[:90, :70].mean(), abs=10)
