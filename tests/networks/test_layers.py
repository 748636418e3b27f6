# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from monai.networks.nets import BasicUNet, FlexibleUNet, UNet

from monai_kd import layer_shapes
from monai_kd.networks import PretrainedUNet, SeparableUNet, StudentUNet, layers_of

SIDE = 128
NETWORKS = {
    "unet of six levels": lambda: UNet(2, 1, 2, (4, 6, 8, 10, 12, 14), (2,) * 5, num_res_units=2, norm="INSTANCE"),
    "unet of two levels": lambda: UNet(2, 1, 2, (4, 8), (2,)),
    "unet 3d": lambda: UNet(3, 1, 3, (4, 8, 16), (2, 2)),
    "pretrained": lambda: PretrainedUNet(1, 2, pretrained=False),
    "efficientnet": lambda: FlexibleUNet(3, 2, "efficientnet-b0"),
    "resnet": lambda: FlexibleUNet(1, 2, "resnet18"),
    "resnet 3d": lambda: FlexibleUNet(1, 2, "resnet10", spatial_dims=3),
    "student": lambda: StudentUNet(2, 1, 2),
    "student 3d": lambda: StudentUNet(3, 1, 2, channels=(4, 8)),
    "separable": lambda: SeparableUNet(2, 1, 2),
}


def image_for(network):
    weight = next(parameter for parameter in network.parameters() if parameter.dim() > 3)
    return torch.zeros(1, weight.shape[1], *[SIDE if weight.dim() == 4 else SIDE // 2] * (weight.dim() - 2))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_named_layers_give_what_is_said(name):
    network = NETWORKS[name]()
    image = image_for(network)
    layers, shapes = layers_of(network), layer_shapes(network, image)
    for names, channels in (
        (layers.encoder, layers.encoder_channels),
        (layers.decoder, layers.decoder_channels),
    ):
        assert [shapes[layer][1] for layer in names] == list(channels)
    sides = [shapes[layer][2] for layer in layers.encoder]
    assert sides == sorted(sides, reverse=True) and sides[-1] <= image.shape[2] / 2 ** (len(sides) - 1)
    sides = [shapes[layer][2] for layer in layers.decoder]
    assert sides == sorted(sides) and sides[0] > 1
    assert sides[-1] >= image.shape[2] // 2


def test_the_deepest_layer_is_what_the_decoder_begins_with():
    network = PretrainedUNet(1, 2, pretrained=False).eval()
    image = torch.rand(1, 1, 64, 64)
    taken = []
    handle = network.get_submodule(layers_of(network).encoder[-1]).register_forward_hook(lambda *a: taken.append(a[2]))
    features = network.encoder(image)
    handle.remove()
    torch.testing.assert_close(taken[0], features[-1], rtol=0, atol=0)


def test_the_network_stays_as_it_is():
    network = PretrainedUNet(1, 2, pretrained=False)
    network.decoder.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    generator = torch.get_rng_state()
    layers_of(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module._forward_hooks for module in network.modules())


def test_another_network_is_refused_with_the_way_to_name_its_layers():
    with pytest.raises(ValueError, match=r"BasicUNet are not known.*'teacher_layers'.*layer_shapes"):
        layers_of(BasicUNet(2, 1, 2))
