# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.transforms import Flip, RandAffine, Resize

from monai_kd.transforms import BatchRandAffine, BatchRandFlip, BatchRandScaleCrop, View
from monai_kd.transforms.geometry import identity, warp

SIZES = {2: (20, 28), 3: (12, 16, 10)}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fixed(*values):
    """Ranges that hold one value each."""
    return [(value, value) for value in values]


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize(
    ("dims", "ranges"),
    [
        (2, {"rotate_range": fixed(0.4)}),
        (2, {"translate_range": fixed(3.2, -2.3)}),
        (2, {"scale_range": fixed(0.23, -0.27)}),
        (2, {"rotate_range": fixed(-0.7), "translate_range": fixed(2.0, 4.0), "scale_range": fixed(0.3)}),
        (3, {"rotate_range": fixed(0.2, -0.4, 0.6), "translate_range": fixed(1.0, 2.0, 3.0)}),
        (3, {"rotate_range": fixed(0.5), "scale_range": fixed(0.3, 0.1, -0.2), "translate_range": fixed(0.0, 2.4)}),
    ],
)
def test_the_same_parameters_give_monais_result(dims, ranges, mode):
    image = torch.rand(2, 1, *SIZES[dims])
    theta = BatchRandAffine(prob=1.0, **ranges)(2, SIZES[dims], seeded())
    moved = warp(image, theta, mode=mode)
    reference = RandAffine(prob=1.0, mode=mode, padding_mode="zeros", **ranges)
    expected = torch.stack([torch.as_tensor(reference(one)) for one in image])
    if mode == "nearest":  # a pixel half-way between two may fall to either
        assert (moved != expected).float().mean() < 0.01
    else:
        torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, [0, 1], None])
def test_a_flip_is_monais(axis):
    image = torch.rand(2, 1, *SIZES[2])
    moved = warp(image, BatchRandFlip(1.0, axis)(2, SIZES[2], seeded()))
    expected = torch.stack([torch.as_tensor(Flip(axis)(one)) for one in image])
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_flip_then_affine_is_monais_chain():
    image = torch.rand(1, 1, *SIZES[2])
    ranges = {"rotate_range": fixed(0.4), "translate_range": fixed(3.0, -2.0), "scale_range": fixed(0.1, -0.2)}
    view = View([BatchRandFlip(1.0, 0), BatchRandAffine(1.0, **ranges)])
    moved = view.move(image, view.draw(1, SIZES[2], seeded()))
    expected = RandAffine(prob=1.0, mode="bilinear", padding_mode="zeros", **ranges)(Flip(0)(image[0]))
    torch.testing.assert_close(moved[0], torch.as_tensor(expected), atol=1e-4, rtol=0)


def test_a_crop_is_cut_and_resized():
    image = torch.rand(1, 1, 16, 24)
    crop = BatchRandScaleCrop([0.5, 0.25], [0.5, 0.25])
    theta = crop(1, (16, 24), seeded())
    theta[0, :, 2] = torch.tensor([-0.25, 0.5])  # the middle: pixels 12 ± 4 - 3 along axis 1, 8 ± 4 + 4 along axis 0
    torch.testing.assert_close(theta[0, :, :2], torch.diag(torch.tensor([0.25, 0.5])))
    expected = Resize((16, 24), mode="bilinear", align_corners=False)(image[0, :, 8:16, 6:12])
    moved = warp(image, theta)
    # At its border, the crop interpolates with pixels outside it; the resized cut-out cannot.
    torch.testing.assert_close(moved[0, :, 1:-1, 2:-2], torch.as_tensor(expected)[:, 1:-1, 2:-2], atol=1e-5, rtol=0)


def test_crops_stay_within_the_image_and_their_shares():
    theta = BatchRandScaleCrop(0.6, 0.9)(500, (16, 24), seeded())
    share = theta[:, [0, 1], [0, 1]]
    assert 0.6 <= share.min() < 0.61 and 0.89 < share.max() <= 0.9
    edges = theta[:, :, 2].abs() + share
    assert edges.max() <= 1 + 1e-6 and edges.max() > 0.99


def test_ranges_are_respected_and_filled():
    turn = BatchRandAffine(1.0, rotate_range=0.3)(500, (16, 16), seeded())
    angle = torch.atan2(turn[:, 0, 1], turn[:, 0, 0])
    assert angle.abs().max() <= 0.3 and angle.min() < -0.28 and angle.max() > 0.28
    shift = BatchRandAffine(1.0, translate_range=[(2, 4), 1.5])(500, (16, 32), seeded())[:, :, 2].flip(1)
    shift *= torch.tensor([8.0, 16.0])
    assert 2 <= shift[:, 0].min() < 2.1 and 3.9 < shift[:, 0].max() <= 4
    assert -1.5 <= shift[:, 1].min() < -1.4 and 1.4 < shift[:, 1].max() <= 1.5
    scale = BatchRandAffine(1.0, scale_range=[0.2, 0.0])(500, (16, 16), seeded())
    assert scale[:, 1, 1].min() >= 0.8 and scale[:, 1, 1].max() <= 1.2 and (scale[:, 0, 0] == 1).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_every_sample_has_its_own_parameters_and_a_seed_repeats_them(dims):
    ranges = {"rotate_range": [0.3], "translate_range": [3.0] * dims, "scale_range": [0.2] * dims}
    view = View([BatchRandScaleCrop(0.7), BatchRandFlip(0.5), BatchRandAffine(1.0, **ranges)])
    theta = view.draw(8, SIZES[dims], seeded())
    assert theta.shape == (8, dims, dims + 1) and theta.dtype == torch.float32 and theta.isfinite().all()
    assert len({tuple(one.flatten().tolist()) for one in theta}) == 8
    assert torch.equal(theta, view.draw(8, SIZES[dims], seeded()))
    assert not torch.equal(theta, view.draw(8, SIZES[dims], seeded(1)))


@pytest.mark.parametrize("transform", [BatchRandFlip, lambda prob: BatchRandAffine(prob, 0.3, [2.0, 2.0], [0.2, 0.2])])
def test_prob_is_the_share_of_changed_samples(transform):
    changed = (transform(0.3)(1000, (16, 16), seeded()) != identity(1000, 2)).flatten(1).any(1)
    assert 0.25 < changed.float().mean() < 0.35
    assert torch.equal(transform(0.0)(5, (16, 16), seeded()), identity(5, 2))


def test_what_is_no_range_is_refused():
    with pytest.raises(ValueError, match=r"rotate_range=\(0\.1, 0\.2\) is not a range for 1 axes"):
        BatchRandAffine(1.0, rotate_range=(0.1, 0.2))(1, (8, 8), seeded())
    with pytest.raises(ValueError, match=r"scale_range=.*pair \(low, high\)"):
        BatchRandAffine(1.0, scale_range=[(0.1, 0.2, 0.3)])(1, (8, 8), seeded())
    for low, high in [(0.0, None), (0.9, 0.8), (0.5, 1.1)]:
        with pytest.raises(ValueError, match="0 < roi_scale <= max_roi_scale <= 1"):
            BatchRandScaleCrop(low, high)(1, (8, 8), seeded())
