# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.networks.nets import UNet
from torch import nn

from monai_kd.networks import StudentUNet, check_network


def test_a_fitting_network_passes_and_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    before = network[1].running_mean.clone()
    check_network(network, (8, 8))
    assert network.training and torch.equal(network[1].running_mean, before)
    check_network(StudentUNet(3, 2, 3, channels=(2, 4)), (8, 8, 9), in_channels=2, out_channels=3)


@pytest.mark.parametrize(
    ("network", "size", "message"),
    [
        (UNet(2, 1, 2, (2, 4, 8, 8), (2, 2, 2)), (50, 50), r"UNet cannot take an image of shape \(1, 1, 50, 50\)"),
        (UNet(2, 3, 2, (2, 4), (2,)), (8, 8), r"UNet cannot take an image of shape \(1, 1, 8, 8\)"),
        (nn.Conv2d(1, 1, 1), (8, 8), r"Conv2d gives \(1, 1, 8, 8\).*Set its out_channels to 2"),
        (nn.Conv2d(1, 2, 3), (8, 8), r"Conv2d gives \(1, 2, 6, 6\)"),
    ],
)
def test_what_does_not_fit_is_refused(network, size, message):
    with pytest.raises(ValueError, match=message):
        check_network(network, size)
