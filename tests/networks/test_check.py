# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.networks.nets import ResNet, UNet
from torch import nn

from monai_kd.networks import StudentUNet, check_classifier, check_network


def test_a_fitting_network_passes_and_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    before = network[1].running_mean.clone()
    check_network(network, (8, 8))
    assert network.training and torch.equal(network[1].running_mean, before)
    check_network(StudentUNet(3, 2, 3, channels=(2, 4)), (8, 8, 9), in_channels=2, out_channels=3)


class Listed(nn.Module):
    """Returns a list, as with deep supervision."""

    def forward(self, image):
        return [image, image]


@pytest.mark.parametrize(
    ("network", "size", "message"),
    [
        (UNet(2, 1, 2, (2, 4, 8, 8), (2, 2, 2)), (50, 50), r"UNet cannot take an image of shape \(1, 1, 50, 50\)"),
        (UNet(2, 3, 2, (2, 4), (2,)), (8, 8), r"UNet cannot take an image of shape \(1, 1, 8, 8\)"),
        (nn.Conv2d(1, 1, 1), (8, 8), r"Conv2d gives \(1, 1, 8, 8\).*Set its out_channels to 2"),
        (nn.Conv2d(1, 2, 3), (8, 8), r"Conv2d gives \(1, 2, 6, 6\)"),
        (Listed(), (8, 8), "Listed gives a list for an image .* Wrap it in a module"),
    ],
)
def test_what_does_not_fit_is_refused(network, size, message):
    with pytest.raises(ValueError, match=message):
        check_network(network, size)


def classifier(classes=2, channels=1):
    return ResNet("basic", [1] * 4, [2] * 4, spatial_dims=2, n_input_channels=channels, num_classes=classes)


def test_a_fitting_classifier_passes_and_is_left_as_it_was():
    network = classifier(classes=3)
    before = network.bn1.running_mean.clone()
    check_classifier(network, (33, 40), classes=3)
    assert network.training and torch.equal(network.bn1.running_mean, before)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (classifier(classes=3), r"ResNet gives \(1, 3\) for .*one for each of 2 classes.*to 2"),
        (classifier(channels=3), r"ResNet cannot take an image of shape \(1, 1, 16, 16\)"),
        (Listed(), "Listed gives a list for an image .* Wrap it in a module"),
        (nn.Conv2d(1, 2, 1), r"Conv2d gives \(1, 2, 16, 16\).*logits of shape \(1, 2\) are needed"),
    ],
)
def test_what_is_no_classifier_is_refused(network, message):
    with pytest.raises(ValueError, match=message):
        check_classifier(network, (16, 16), classes=2)
