# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_kd.networks import FlipAverage


def network(dims=2, out_channels=2):
    torch.manual_seed(0)
    kind = (nn.Conv2d, nn.Conv3d)[dims - 2]
    return nn.Sequential(kind(1, 4, 3, padding=1), nn.Tanh(), kind(4, out_channels, 3, padding=1))


@pytest.mark.parametrize(("dims", "axes"), [(2, (0,)), (2, (0, 1)), (3, (0, 2))])
def test_the_probabilities_are_the_mean_of_the_mirror_images(dims, axes):
    inner, image = network(dims), torch.randn(2, 1, *(5, 6, 7)[:dims])
    expected = [inner(image).softmax(1)]
    for axis in axes:
        expected.append(inner(image.flip(2 + axis)).softmax(1).flip(2 + axis))
    found = FlipAverage(inner, axes)(image).softmax(1)
    torch.testing.assert_close(found, torch.stack(expected).mean(0))


def test_the_classes_of_an_image_are_averaged_and_not_mirrored():
    inner, image = nn.Sequential(network(out_channels=3), nn.Flatten(), nn.LazyLinear(3)), torch.randn(4, 1, 5, 6)
    expected = (inner(image).softmax(1) + inner(image.flip(2)).softmax(1)) / 2
    torch.testing.assert_close(FlipAverage(inner)(image).softmax(1), expected)


def test_networks_that_are_sure_stay_finite():
    class Sure(nn.Module):
        def forward(self, image):
            return torch.cat([image * 0 + 500, image * 0 - 500], dim=1)

    assert FlipAverage(Sure())(torch.zeros(1, 1, 2, 2)).isfinite().all()


class Several(nn.Module):
    def forward(self, image):
        return [image, image]


@pytest.mark.parametrize(
    ("inner", "axes", "message"),
    [
        (network(), (), "expected different axes"),
        (network(), (0, 0), "expected different axes"),
        (network(), (-1,), "expected different axes"),
        (network(), (2,), r"2 spatial axes. Use axes from 0 to 1"),
        (Several(), (0,), "returned a list, not one tensor"),
        (network(out_channels=1), (0,), "logits have two or more channels"),
        (nn.Conv2d(1, 2, 3), (0,), "the image's size or no spatial axes"),
    ],
)
def test_what_cannot_be_averaged_is_refused(inner, axes, message):
    with pytest.raises(ValueError, match=message):
        FlipAverage(inner, axes)(torch.zeros(1, 1, 4, 4))
