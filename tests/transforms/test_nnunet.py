# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's preprocessing: against the formulas and, where nnunetv2 is installed, against its own, number by number."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd

from monai_kd.transforms import NnUnetPreprocessd
from monai_kd.transforms.nnunet.normalization import SCHEMES, normalize
from monai_kd.transforms.nnunet.resampling import coarse_axis, new_shape, resample, resample_labels

Z_SCORE = [{"scheme": "ZScoreNormalization"}]
CT = {"mean": 40.0, "std": 20.0, "percentile_00_5": -10.0, "percentile_99_5": 90.0}
SPACINGS = [
    ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    ((2.0, 0.9, 1.1), (1.3, 1.0, 1.0)),
    ((5.0, 1.0, 1.0), (2.5, 0.8, 1.2)),
    ((1.0, 4.0, 1.0), (1.5, 4.0, 0.8)),
    ((0.24, 1.25, 1.25), (0.5, 1.0, 1.0)),
    ((999.0, 1.0, 1.0), (999.0, 1.5, 0.7)),
]


def volume(shape=(9, 14, 12), seed=0):
    return np.random.default_rng(seed).normal(30, 25, (1, *shape)).astype(np.float32)


def classes(shape=(9, 14, 12), seed=0):
    return np.random.default_rng(seed).integers(0, 3, (1, *shape)).astype(np.float32)


def loaded(array, affine=None):
    """As LoadImaged gives it: (C, x, y, z)."""
    affine = torch.eye(4, dtype=torch.float64) if affine is None else affine
    return MetaTensor(torch.from_numpy(array), affine=affine, meta={"filename_or_obj": "a_0000.nii.gz"})


@pytest.mark.parametrize(("spacing", "target"), SPACINGS)
def test_a_grid_that_stays_gives_the_same_numbers(spacing, target):
    image = volume()
    assert resample(image, image.shape[1:], coarse_axis(spacing, target), 3) is image
    assert resample_labels(image, image.shape[1:], None) is image


@pytest.mark.parametrize(("spacing", "target"), SPACINGS)
def test_a_plane_stays_a_plane(spacing, target):
    """A linear ramp in the plane of the slices, away from the border, whatever the spacing."""
    ramp = np.broadcast_to(np.arange(40.0)[:, None], (6, 40, 30))[None].astype(np.float32)
    shape = new_shape(ramp.shape[1:], spacing, target)
    if coarse_axis(spacing, target) == 1 or shape[1] == 40:
        return
    result = resample(ramp, shape, coarse_axis(spacing, target), 1)
    expected = (np.arange(shape[1]) + 0.5) * 40 / shape[1] - 0.5  # edges meet
    assert np.allclose(result[0, 0, 4:-4, 5], expected[4:-4], atol=1e-4)


def test_labels_keep_their_classes_and_no_other():
    label = classes() * 5
    for shape in ((12, 20, 9), (9, 7, 30)):
        assert set(np.unique(resample_labels(label, shape, None))) <= {0.0, 5.0, 10.0}


@pytest.mark.parametrize(("spacing", "target"), SPACINGS)
def test_resampling_is_nnunets_own(spacing, target):
    own = pytest.importorskip("nnunetv2.preprocessing.resampling.default_resampling", reason="nnunetv2 is missing")
    image, label = volume(), classes()
    shape, axis = new_shape(image.shape[1:], spacing, target), coarse_axis(spacing, target)
    assert shape == tuple(own.compute_new_shape(image.shape[1:], spacing, target))
    how = {"order_z": 0, "force_separate_z": None}
    for order in (1, 3):
        expected = own.resample_data_or_seg_to_shape(image, shape, spacing, target, False, order, **how)
        assert np.array_equal(resample(image, shape, axis, order), expected)
    expected = own.resample_data_or_seg_to_shape(label, shape, spacing, target, True, 1, **how)
    assert np.array_equal(resample_labels(label, shape, axis), expected)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("use_mask", [False, True])
def test_normalization_is_the_formula(scheme, use_mask):
    image = np.abs(volume()[0])
    image[:3] = 0
    mask = image > 0
    inside = image[mask] if use_mask else image
    expected = {
        "ZScoreNormalization": np.where(mask | (not use_mask), (image - inside.mean()) / inside.std(), 0),
        "CTNormalization": (np.clip(image, -10, 90) - 40) / 20,
        "RescaleTo01Normalization": (image - image.min()) / (image.max() - image.min()),
        "RGBTo01Normalization": image / 255,
        "NoNormalization": image,
    }[scheme]
    result = normalize(image, mask, {"scheme": scheme, "use_mask": use_mask, **CT})
    assert result.dtype == np.float32 and np.allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("use_mask", [False, True])
def test_normalization_is_nnunets_own(scheme, use_mask):
    own = pytest.importorskip("nnunetv2.preprocessing.normalization.default_normalization_schemes")
    image = np.clip(np.abs(volume()[0]), 0, 255)
    image[:3] = 0
    mask = image > 0
    expected = getattr(own, scheme)(use_mask, CT).run(image.copy(), np.where(mask, 0, -1))
    assert np.allclose(normalize(image, mask, {"scheme": scheme, "use_mask": use_mask, **CT}), expected, atol=1e-6)


def test_a_constant_image_is_no_division_by_zero():
    image = np.full((2, 3, 4), 7.0, dtype=np.float32)
    for scheme in SCHEMES:
        assert np.isfinite(normalize(image, image > 0, {"scheme": scheme, **CT})).all()


def test_an_unknown_scheme_is_named():
    with pytest.raises(ValueError, match="No normalization scheme 'MyNormalization'\\. Known: ZScoreNormalization"):
        normalize(volume()[0], volume()[0] > 0, {"scheme": "MyNormalization"})


@pytest.mark.parametrize("transpose", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("oblique", [False, True])
def test_what_is_inverted_lies_where_it_was(transpose, oblique):
    """A label map, preprocessed with its image and brought back, is the same on the file's grid, geometry included."""
    places = np.stack(np.meshgrid(np.arange(24), np.arange(20), np.arange(16), indexing="ij"))
    mask = (((places - np.array([9, 12, 7]).reshape(3, 1, 1, 1)) ** 2).sum(0) < 25)[None].astype(np.float32)
    image = np.where(places[0] > 2, 1 + mask[0], 0)[None].astype(np.float32)
    affine = torch.diag(torch.tensor([1.0, -1.5, 2.0, 1.0], dtype=torch.float64))
    if oblique:
        affine[:2, :2] = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64) @ affine[:2, :2]
    transform = NnUnetPreprocessd(["image", "label"], (1.2, 1.0, 1.1), Z_SCORE, transpose)
    done = transform({"image": loaded(image, affine), "label": loaded(mask, affine)})
    sides = [16, 20, 21]  # z, y, x; three columns of x are 0
    physical = [2.0, 1.5, 1.0]
    target = (1.2, 1.0, 1.1)
    expected = tuple(round(sides[a] * physical[a] / target[i]) for i, a in enumerate(transpose))
    assert done["image"].shape[1:] == done["label"].shape[1:] == expected
    pred = {"image": done["image"], "pred": MetaTensor(done["label"].as_tensor())}
    back = Invertd("pred", Compose([transform]), "image", nearest_interp=False)(pred)["pred"]
    assert back.shape == mask.shape and torch.equal(back.affine, affine)
    found = back.numpy() > 0.5
    assert 2 * (found & (mask > 0)).sum() / (found.sum() + mask.sum()) > 0.95
    assert not back[:, :3].any()  # outside of the crop


def test_a_picture_becomes_one_slice_and_a_picture_again():
    image, label = volume((10, 8)), classes((10, 8))
    transform = NnUnetPreprocessd(["image", "label"], (2.0, 1.0), Z_SCORE)
    done = transform({"image": loaded(image, torch.eye(3)), "label": loaded(label, torch.eye(3))})
    assert done["image"].shape == (1, 1, 4, 10)  # y, x
    assert transform.inverse(done)["image"].shape == (1, 10, 8)


def test_slices_of_a_volume_keep_their_distance():
    affine = torch.diag(torch.tensor([1.0, 1.0, 5.0, 1.0]))
    done = NnUnetPreprocessd(["image"], (2.0, 2.0), Z_SCORE)({"image": loaded(volume((12, 14, 6)), affine)})
    assert done["image"].shape == (1, 6, 7, 6)


def test_an_image_of_zeros_is_not_cropped_away():
    done = NnUnetPreprocessd(["image"], (1.0, 1.0, 1.0), Z_SCORE)({"image": loaded(np.zeros((1, 4, 5, 6), np.float32))})
    assert done["image"].shape == (1, 6, 5, 4) and not done["image"].any()


def test_wrong_channels_and_labels_are_told():
    transform = NnUnetPreprocessd(["image", "label"], (1.0, 1.0, 1.0), Z_SCORE * 2)
    with pytest.raises(
        ValueError, match=r"'a_0000.nii.gz' has 1 channels, and nnU-Net's plans are for 2. Give the files"
    ):
        transform({"image": loaded(volume()), "label": loaded(classes())})
    transform = NnUnetPreprocessd(["image", "label"], (1.0, 1.0, 1.0), Z_SCORE)
    with pytest.raises(ValueError, match=r"The label 'a_0000.nii.gz' has shape \(1, 5, 5, 5\)"):
        transform({"image": loaded(volume()), "label": loaded(classes((5, 5, 5)))})
