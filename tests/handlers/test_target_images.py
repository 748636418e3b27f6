# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.data import Dataset, MetaTensor
from monai.transforms import Compose, RandGaussianNoised

from monai_kd.handlers.methods.target_images import TargetImages


def numbered(count):
    return [{"image": torch.full((1, 2, 2), float(i)), "label": None} for i in range(count)]


def drawn(images, counts):
    return [images.draw(count)[:, 0, 0, 0].tolist() for count in counts]


def test_every_image_comes_once_before_any_comes_again():
    torch.manual_seed(0)
    images = TargetImages(numbered(5))
    images.restart()
    flat = [number for batch in drawn(images, [2, 2, 2, 4]) for number in batch]
    assert sorted(flat[:5]) == sorted(flat[5:]) == [0, 1, 2, 3, 4]


def test_order_comes_from_the_global_generator():
    orders = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        images = TargetImages(numbered(20))
        images.restart()
        orders.append(drawn(images, [20]))
    assert orders[0] == orders[1] != orders[2]


def test_draws_leave_the_global_generator_alone():
    images = TargetImages(numbered(5))
    images.restart()
    state = torch.get_rng_state()
    images.draw(7)
    assert torch.equal(torch.get_rng_state(), state)


def test_random_transforms_are_seeded_at_the_restart():
    batches = []
    for _ in range(2):
        images = TargetImages(Dataset(numbered(3), Compose([RandGaussianNoised("image", prob=1.0)])))
        torch.manual_seed(4)
        images.restart()
        batches.append(images.draw(3))
    assert torch.equal(*batches) and batches[0].std() > 0


def test_metadata_is_dropped():
    images = TargetImages([{"image": MetaTensor(torch.zeros(1, 2, 2))}])
    images.restart()
    assert type(images.draw(2)) is torch.Tensor


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(ValueError, match="The data set of target images is empty"):
        TargetImages([])
    images = TargetImages([{"picture": torch.zeros(1, 2, 2)}])
    images.restart()
    with pytest.raises(ValueError, match=r"holds \['picture'\], expected a dictionary with 'image'"):
        images.draw(1)
