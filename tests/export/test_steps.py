# SPDX-License-Identifier: Apache-2.0
"""The steps give what MONAI's transforms give, image by image."""

import numpy as np
import pytest
import torch
from monai.transforms import (
    Activationsd,
    AsDiscreted,
    Compose,
    CopyItemsd,
    EnsureTyped,
    FillHolesd,
    Flipd,
    Invertd,
    Lambdad,
    NormalizeIntensityd,
    Resized,
    ScaleIntensityd,
    ScaleIntensityRanged,
)

from monai_kd.export.transforms.postprocessing import after_network
from monai_kd.export.transforms.preprocessing import before_network
from monai_kd.export.transforms.steps import softmax

TRANSFORMS = [
    Resized("image", (20, 34)),
    Resized("image", (20, 34), mode="bilinear"),
    Resized("image", (20, 34), mode="bilinear", align_corners=True),
    Resized("image", (60, 90), mode="bicubic"),
    Resized("image", (20, 34), mode="nearest"),
    NormalizeIntensityd("image"),
    NormalizeIntensityd("image", channel_wise=True),
    NormalizeIntensityd("image", subtrahend=114.5, divisor=57.6),
    NormalizeIntensityd("image", subtrahend=[1.0, 2.0], divisor=[3.0, 0.0], channel_wise=True),
    ScaleIntensityd("image"),
    ScaleIntensityd("image", minv=-1, maxv=2, channel_wise=True),
    ScaleIntensityRanged("image", a_min=10, a_max=200),
    ScaleIntensityRanged("image", a_min=10, a_max=200, b_min=-1, b_max=1, clip=True),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("transposed", [False, True])
def test_before(transform, transposed):
    batch = torch.randint(0, 256, (3, 2, 41, 53)).float()
    batch[2] = 7  # an image of one value
    own = torch.stack([transform({"image": image.clone()})["image"].as_tensor() for image in batch])
    (step,) = before_network([transform], spatial_dims=2).steps
    if not transposed and isinstance(transform, Resized):
        step.size = step.size[::-1]  # made for pixels, rows first
    given = batch.transpose(2, 3) if transposed else batch
    made = step(given).transpose(2, 3) if transposed else step(given)
    assert made.shape == own.shape
    assert torch.allclose(made, own, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("spatial_size", [(9, 11), (70, 50)])
def test_area_goes_down_and_up_in_volumes_too(spatial_size):
    volume = torch.rand(1, 1, *spatial_size, 13)
    transform = Resized("image", (20, 34, 6))
    (step,) = before_network([transform], spatial_dims=3).steps
    assert torch.allclose(step(volume)[0], transform({"image": volume[0]})["image"].as_tensor(), atol=1e-5)


def test_what_concerns_other_keys_is_left_out():
    others = [CopyItemsd("image", names="original"), Flipd("label"), EnsureTyped("image"), Resized("image", (8, 8))]
    assert [type(step).__name__ for step in before_network(others, 2).steps] == ["Resize"]


REFUSED = [
    (Flipd("image"), "Flipd"),
    (Lambdad("image", func=lambda x: x), "Lambdad"),
    (NormalizeIntensityd("image", nonzero=True), "nonzero=True"),
    (Resized("image", 32, size_mode="longest"), "depends on the image"),
    (Resized("image", (32, -1)), "depends on the image"),
    (Resized("image", (32, 32), anti_aliasing=True), "anti_aliasing"),
    (ScaleIntensityd("image", minv=None, maxv=None, factor=0.1), "ScaleIntensityd"),
]


@pytest.mark.parametrize(("transform", "named"), REFUSED, ids=[named for _, named in REFUSED])
def test_what_cannot_be_a_step_is_named(transform, named):
    with pytest.raises(ValueError, match=named) as caught:
        before_network([transform], 2)
    assert "--raw" in str(caught.value)


def test_after_is_read_by_the_key():
    before = before_network([Resized(("image", "label"), (8, 8), mode=("bilinear", "nearest"))], 2)
    inverse = Invertd("pred", Compose([Resized("image", (8, 8))]), orig_keys="image", nearest_interp=True)
    discrete = AsDiscreted(("label", "pred"), argmax=(True, False), threshold=(None, 0.3))
    after = after_network([Activationsd("pred", sigmoid=True), inverse, discrete], before)
    assert [type(step).__name__ for step in after.steps] == ["Activation", "ResizeBack"]
    assert after.steps[1].mode == "nearest" and before.steps[0].mode == "bilinear"
    assert (after.argmax, after.threshold) == (False, 0.3)


@pytest.mark.parametrize(
    ("transforms", "named"),
    [
        ([FillHolesd("pred")], "FillHolesd"),
        ([AsDiscreted("pred", rounding="torchrounding")], "AsDiscreted .*not translated: rounding"),
        ([AsDiscreted("pred", argmax=True, dim=1)], "not translated: dim"),
        ([AsDiscreted("pred", to_onehot=2)], "not translated: to_onehot without argmax"),
        ([AsDiscreted("pred", argmax=True, threshold=0.5)], "not translated: threshold after argmax"),
        ([Activationsd("pred", softmax=True, other=torch.tanh)], "Activationsd"),
        ([AsDiscreted("pred", argmax=True), FillHolesd("pred")], "FillHolesd .* AsDiscreted has made it"),
    ],
)
def test_what_cannot_be_after_is_named(transforms, named):
    with pytest.raises(ValueError, match=named):
        after_network(transforms, before_network([], 2))


@pytest.mark.parametrize("classes", [2, 5])
def test_softmax(classes):
    logits = 50 * torch.randn(2, classes, 4, 4)
    assert torch.allclose(softmax(logits), logits.softmax(1), atol=1e-6)
    assert np.isfinite(softmax(1e4 * logits).numpy()).all()
