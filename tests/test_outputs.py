# SPDX-License-Identifier: Apache-2.0
"""One tensor out of lists, stacks, tuples and dictionaries, from real networks of MONAI, too."""

import pytest
import torch
from monai.networks.nets import BasicUNetPlusPlus, DynUNet, SegResNetDS, SegResNetVAE
from torch import nn

from monai_kd import FeatureHooks
from monai_kd.outputs import main_output, parse_layer, pick

IMAGE = torch.rand(2, 1, 32, 32)


def main(output, image=IMAGE):
    return main_output(output, image, "The student", "student")


@pytest.mark.parametrize("name", ["a[", "a[]", "[0]b", "a:output", "a[0]:input"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="is no layer name"):
        parse_layer(name)


def test_a_missing_output_is_told_with_those_there_are():
    with pytest.raises(ValueError, match=r"The student has no output \[2\]. It has \[0\], \[1\]."):
        pick([1, 2], ("2",), "The student")
    with pytest.raises(ValueError, match=r"no output \[aux\]. It has \[out\]."):
        pick({"out": IMAGE}, ("aux",), "The student")


def test_nothing_of_one_tensor_is_picked_but_a_head_of_a_stack():
    stack = torch.rand(2, 3, 1, 8, 8)
    assert torch.equal(pick(stack, ("2",), "It"), stack[:, 2])


def test_auxiliary_heads_of_a_dictionary_leave_out_the_main_one():
    output = {"aux": torch.rand(2, 2, 32, 32), "out": torch.rand(2, 2, 32, 32)}
    assert main(output) is output["out"]


def test_what_is_no_map_is_passed_over():
    logits = torch.rand(2, 2, 32, 32)
    assert main((torch.tensor(0.5), [logits, torch.rand(2, 2, 16, 16)], torch.rand(2, 7))) is logits
    with pytest.raises(ValueError, match="returned a tuple without a tensor of predictions"):
        main((torch.tensor(0.5), "text"))


def test_vectors_are_the_outputs_of_a_classifier():
    scores = torch.rand(2, 3)
    assert main((scores, torch.tensor(0.1))) is scores


def test_networks_with_deep_supervision():
    stack = DynUNet(2, 1, 2, [3] * 4, [1, 2, 2, 2], [2, 2, 2], deep_supervision=True, deep_supr_num=2).train()(IMAGE)
    assert stack.ndim == 5 and torch.equal(main(stack), stack[:, 0])
    heads = SegResNetDS(2, 8, 1, 2, blocks_down=(1, 1, 1), dsdepth=2).train()(IMAGE)
    assert len(heads) == 2 and main(heads) is heads[0]
    several = BasicUNetPlusPlus(2, 1, 2, features=(8, 8, 8, 8, 8, 8), deep_supervision=True)(IMAGE)
    with pytest.raises(ValueError, match=r"'\[0\]'.*'\[1\]'.*'\[3\]'"):  # the last is the best, the names do not say so
        main(several)
    assert main(BasicUNetPlusPlus(2, 1, 2, features=(8, 8, 8, 8, 8, 8))(IMAGE)).shape == (2, 2, 32, 32)


def test_the_branch_of_a_variational_network_is_passed_over():
    network = SegResNetVAE([32, 32], spatial_dims=2, init_filters=8, blocks_down=(1, 1), blocks_up=(1,)).train()
    output = network(IMAGE)
    assert main(output) is output[0]


def test_hooks_take_one_of_several_outputs_and_what_a_layer_receives():
    class Block(nn.Module):
        def forward(self, x, scale=1):
            return {"low": x[..., ::2], "high": [x * scale, x]}

    network = nn.Sequential(nn.ReLU(), Block())
    network.forward = lambda x: network[1](network[0](x), scale=3)["high"][0]
    with FeatureHooks(network, ["1[high][0]", "1[low]", "1:input", "0:input", ":input"]) as hooks:
        network(-IMAGE)
        features = hooks.pop()
    assert not features["1:input"].any() and torch.equal(features["0:input"], -IMAGE)
    assert torch.equal(features[":input"], -IMAGE) and features["1[low]"].shape[-1] == 16
    with FeatureHooks(network, ["1[high]"]), pytest.raises(ValueError, match=r"'1\[high\]' of Sequential.*a list"):
        network(IMAGE)


def test_an_input_that_the_layer_overwrites_is_told():
    network = nn.Sequential(nn.InstanceNorm2d(1), nn.ReLU(inplace=True))
    with FeatureHooks(network, ["1:input"]) as hooks:
        network(IMAGE)
        with pytest.raises(ValueError, match="overwritten in place"):
            hooks.pop()
    with FeatureHooks(network, ["1:input"], copy=True) as hooks:
        network(IMAGE)
        assert (hooks.pop()["1:input"] < 0).any()


def test_an_input_given_by_name_is_captured():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Identity()

        def forward(self, x):
            return self.block(input=x)

    with FeatureHooks(Named(), ["block:input"]) as hooks:
        hooks._network(IMAGE)
        assert torch.equal(hooks.pop()["block:input"], IMAGE)
