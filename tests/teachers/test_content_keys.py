# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from monai_kd.teachers.content_keys import image_keys, network_key

DTYPES = [torch.uint8, torch.float16, torch.float32, torch.float64]


def noise(count=3, dtype=torch.float32, shape=(1, 8, 8)):
    return (255 * torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_key_is_the_images_own_wherever_it_stands(dtype):
    image = noise(dtype=dtype)
    keys = image_keys(image)
    assert len(set(keys)) == 3
    assert image_keys(image.flip(0)) == keys[::-1]
    assert image_keys(image[1:2]) == keys[1:2]
    assert image_keys(image.to(memory_format=torch.channels_last)) == keys
    assert image_keys(MetaTensor(image)) == keys


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_changed_number_is_another_key(dtype):
    image = noise(1, dtype).expand(64, -1, -1, -1).clone()
    for i in range(64):
        image[i].view(-1)[i] += 1
    assert len({*image_keys(image), *image_keys(noise(1, dtype))}) == 65


def test_exchanged_pixels_type_and_shape_are_other_keys():
    image = noise(1)
    others = [image.flip(2), image.flip(3), image.transpose(2, 3), image.double(), image.reshape(1, 1, 4, 16)]
    keys = [image_keys(other)[0] for other in [image, *others]]
    assert len(set(keys)) == len(keys)


def test_volumes_have_keys():
    assert len(set(image_keys(noise(2, shape=(1, 4, 5, 6))))) == 2


def network(width=4, seed=0, act=nn.ReLU):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), act())


def test_a_network_is_known_by_weights_buffers_and_structure():
    keys = {network_key(n) for n in (network(), network(seed=1), network(width=5), network(act=nn.ELU))}
    moved = network()
    moved[1].running_mean += 1
    assert len({*keys, network_key(moved)}) == 5
    assert network_key(network()) == network_key(network().eval()) == network_key(torch.compile(network()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_keys_are_the_same_on_every_device():
    image = noise()
    assert image_keys(image.cuda()) == image_keys(image)
