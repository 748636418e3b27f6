# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from monai_kd.transforms import BatchRandPixelDropout, RandPixelDropout, RandPixelDropoutd

IMAGES = {2: torch.ones(2, 60, 50), 3: torch.ones(2, 20, 16, 12)}


@pytest.mark.parametrize("dims", [2, 3])
def test_a_share_of_the_pixels_is_dropped_in_all_channels(dims):
    image = RandPixelDropout(1.0, 0.2, fill_value=-3.0).set_random_state(seed=0)(IMAGES[dims])
    assert set(image.unique().tolist()) == {-3.0, 1.0}
    assert torch.equal(image[0], image[1])
    assert 0.17 < (image == -3).float().mean() < 0.23


def test_images_lose_pixels_of_their_own_and_a_seed_repeats_them():
    dropout = RandPixelDropout(1.0, 0.2)
    first, second = (dropout.set_random_state(seed=1)(IMAGES[2]) for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(second, dropout(IMAGES[2]))


def test_prob_is_the_share_of_changed_images():
    dropout = RandPixelDropout(0.3, 0.5).set_random_state(seed=0)
    changed = sum(bool((dropout(torch.ones(1, 4, 4)) == 0).any()) for _ in range(500))
    assert 120 < changed < 180


def test_one_dropout_for_all_keys_within_a_compose():
    chain = Compose([RandPixelDropoutd(["image", "other"], 1.0, 0.3)])
    record = {"image": IMAGES[2], "other": IMAGES[2].numpy(), "label": IMAGES[2]}
    results = [chain.set_random_state(seed=5)(record) for _ in range(2)]
    assert torch.equal(results[0]["image"], torch.as_tensor(results[0]["other"]))
    assert torch.equal(results[0]["image"], results[1]["image"])
    assert torch.equal(results[0]["label"], IMAGES[2]) and torch.equal(record["image"], torch.ones(2, 60, 50))
    with pytest.raises(KeyError):
        RandPixelDropoutd(["image", "missing"], 1.0)({"image": IMAGES[2]})
    RandPixelDropoutd(["image", "missing"], 1.0, allow_missing_keys=True)({"image": IMAGES[2]})


@pytest.mark.parametrize("convert", [np.asarray, lambda x: x.double(), lambda x: x.to(torch.uint8), MetaTensor])
def test_type_is_kept(convert):
    image = convert(IMAGES[2])
    result = RandPixelDropout(1.0, 0.5)(image)
    assert result.dtype == torch.as_tensor(image).dtype and 0 < result.float().mean() < 1
    assert isinstance(result, MetaTensor)  # as MONAI's own transforms give it, unless tracking is off


@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_loses_pixels_sample_by_sample(dims):
    image = torch.ones(200, *IMAGES[dims].shape)
    result = BatchRandPixelDropout(0.5, 0.1, fill_value=7.0)(image, torch.Generator().manual_seed(0))
    shares = (result == 7).float().flatten(1).mean(1)
    changed = shares[shares > 0]
    assert 70 < len(changed) < 130 and 0.09 < changed.mean() < 0.11
    assert torch.equal(result[:, 0], result[:, 1]) and not torch.equal(*result[shares > 0][:2])
    assert (image == 1).all()
