# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.nets import BasicUNet, UNet
from torch import nn

from monai_kd import FeatureHooks, layer_shapes
from monai_kd.features import unwrap


def unet(spatial_dims=2):
    return UNet(spatial_dims, 1, 2, channels=(4, 8, 16), strides=(2, 2))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_captured_is_what_the_layer_returned(spatial_dims):
    network = unet(spatial_dims)
    image = torch.rand(2, 1, *[16] * spatial_dims)
    with FeatureHooks(network, ["model.0", "model.1.submodule", ""]) as hooks:
        output = network(image)
        features = hooks.pop()
    assert features[""] is output
    torch.testing.assert_close(features["model.0"], network.model[0](image))
    torch.testing.assert_close(features["model.1.submodule"], network.model[1].submodule(features["model.0"]))
    assert features["model.0"].requires_grad


def test_no_hook_outlives_the_block_even_after_an_error():
    network = unet()
    with pytest.raises(RuntimeError, match="boom"), FeatureHooks(network, ["model.0"]):
        raise RuntimeError("boom")
    assert all(not module._forward_hooks for module in network.modules())


def test_meta_tensors_are_captured_as_plain_tensors():
    network = unet()
    with FeatureHooks(network, ["", "model.0"]) as hooks:
        network(MetaTensor(torch.rand(1, 1, 16, 16)))
        assert {type(feature) for feature in hooks.pop().values()} == {torch.Tensor}


def test_several_runs_are_joined_along_the_batch():
    network = unet()
    windows = torch.rand(3, 1, 16, 16)
    with FeatureHooks(network, ["model.0"]) as hooks:
        for window in windows:
            network(window[None])
        joined = hooks.pop()["model.0"]
    torch.testing.assert_close(joined, network.model[0](windows))


def test_runs_at_several_sizes_cannot_be_joined():
    network = unet()
    with FeatureHooks(network, ["model.0"]) as hooks:
        network(torch.rand(1, 1, 16, 16)), network(torch.rand(1, 1, 32, 32))
        with pytest.raises(ValueError, match=r"'model\.0' of UNet ran 2 times.*one resolution"):
            hooks.pop()


def test_an_unknown_layer_is_refused_with_the_closest():
    with pytest.raises(ValueError, match=r"No layer 'model\.1\.submodul' in UNet\. Closest: 'model\.1\.submodule'"):
        FeatureHooks(unet(), ["model.1.submodul"])


def test_a_layer_that_did_not_run_is_named():
    network = unet()
    with FeatureHooks(network, ["model.0"]) as hooks:
        with pytest.raises(ValueError, match=r"Layer 'model\.0' of UNet did not run"):
            hooks.pop()
        network(torch.rand(1, 1, 16, 16))
        hooks.pop()
        with pytest.raises(ValueError, match="did not run"):
            hooks.pop()  # emptied


def test_a_layer_that_returns_no_tensor_is_named():
    class Two(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(ValueError, match=r"Layer '' of Two returned a tuple"), FeatureHooks(network := Two(), [""]):
        network(torch.rand(1))


def test_a_deep_copy_does_not_write_into_the_originals_store():
    network = unet()
    with FeatureHooks(network, ["model.0"]) as hooks:
        network(image := torch.rand(1, 1, 16, 16))
        copy.deepcopy(network)(torch.rand(5, 1, 16, 16))
        torch.testing.assert_close(hooks.pop()["model.0"], network.model[0](image))


def test_in_place_overwriting_is_refused_and_a_copy_is_the_remedy():
    network = BasicUNet(2, 1, 2, features=(4, 4, 4, 4, 4, 4))
    layer, image = "conv_0.conv_0.adn.N", torch.rand(1, 1, 32, 32)
    with FeatureHooks(network, [layer]) as hooks:
        network(image)
        with pytest.raises(ValueError, match=r"overwritten in place.*copy=True"):
            hooks.pop()
    with FeatureHooks(network, [layer], copy=True) as hooks:
        network(image)
        assert hooks.pop()[layer].min() < 0  # before the leaky ReLU scaled it


def test_compiled_network_is_captured_also_when_hooks_come_after_its_first_call():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3))
    compiled = torch.compile(network, backend="eager")
    image = torch.rand(1, 1, 8, 8)
    compiled(image)
    for _ in range(2):
        with FeatureHooks(compiled, ["0"]) as hooks:
            compiled(image)
            torch.testing.assert_close(hooks.pop()["0"], network[0](image))


def test_unwrap_finds_the_users_network():
    network = unet()
    assert unwrap(torch.compile(nn.DataParallel(network))) is network


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_layer_shapes_lists_every_layer_and_leaves_the_network_as_it_was(spatial_dims):
    network = unet(spatial_dims)
    network.model[0].eval()
    modes = [module.training for module in network.modules()]
    shapes = layer_shapes(network, torch.rand(2, 1, *[16] * spatial_dims))
    assert shapes["model.0"] == (2, 4, *[8] * spatial_dims)
    assert shapes[""] == (2, 2, *[16] * spatial_dims)
    assert [module.training for module in network.modules()] == modes
    assert all(not module._forward_hooks for module in network.modules())
