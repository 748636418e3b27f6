# SPDX-License-Identifier: Apache-2.0
import copy
import math
from itertools import product

import pytest
import torch
from torch import nn

from monai_kd import FeatureHooks
from monai_kd.networks import Ensemble, StudentUNet


def members(count=3, channels=2):
    torch.manual_seed(0)
    return [nn.Conv2d(1, channels, 3, padding=1).double() for _ in range(count)]


def test_logits_are_averaged():
    networks, image = members(), torch.randn(2, 1, 4, 4).double()
    expected = sum(network(image) for network in networks) / 3
    torch.testing.assert_close(Ensemble(networks)(image), expected)


def test_logarithm_of_the_mean_probability_by_plain_loops():
    networks, image = members(channels=3), 3 * torch.randn(2, 1, 3, 3).double()
    outputs = [network(image) for network in networks]
    found = Ensemble(networks, probabilities=True)(image)
    for n, h, w in product(range(2), range(3), range(3)):
        shares = []
        for output in outputs:
            exponentials = [math.exp(value) for value in output[n, :, h, w].tolist()]
            shares.append([e / sum(exponentials) for e in exponentials])
        expected = [math.log(sum(column) / 3) for column in zip(*shares, strict=True)]
        assert found[n, :, h, w].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("probabilities", [False, True])
def test_equal_members_answer_as_one(probabilities):
    network = StudentUNet(3, 1, 2, channels=(2, 4)).eval()
    ensemble, image = Ensemble([network, copy.deepcopy(network)], probabilities), torch.rand(1, 1, 8, 8, 8)
    torch.testing.assert_close(ensemble(image).softmax(dim=1), network(image).softmax(dim=1))


def test_certain_members_give_finite_logits():
    class Constant(nn.Module):
        def forward(self, image):
            return torch.tensor([1000.0, -1000.0]).view(1, 2, 1, 1).expand(len(image), 2, *image.shape[2:])

    logits = Ensemble([Constant(), Constant()], probabilities=True)(torch.rand(1, 1, 2, 2))
    assert logits.isfinite().all()


def test_layers_of_a_member_keep_their_names():
    networks = [StudentUNet(2, 1, 2, channels=(2, 4)) for _ in range(2)]
    image = torch.rand(1, 1, 8, 8)
    with FeatureHooks(networks[1], ["encoder"]) as alone:
        networks[1](image)
        expected = alone.pop()["encoder"]
    ensemble = Ensemble(networks)
    with FeatureHooks(ensemble, ["members.1.encoder"]) as hooks:
        ensemble(image)
        assert torch.equal(hooks.pop()["members.1.encoder"], expected)


@pytest.mark.parametrize("probabilities", [False, True])
def test_compiled_equals_eager(probabilities):
    ensemble, image = Ensemble(members(), probabilities), torch.randn(2, 1, 4, 4).double()
    torch.testing.assert_close(torch.compile(ensemble, backend="aot_eager", fullgraph=True)(image), ensemble(image))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_members_are_refused(count):
    with pytest.raises(ValueError, match=rf"got {count} member\(s\)\. Give two or more"):
        Ensemble(members(count))


def test_members_with_shared_weights_are_refused():
    first, second = members(2)
    with pytest.raises(ValueError, match=r"Members 0 and 2 of the ensemble share weights.*copy\.deepcopy"):
        Ensemble([first, second, nn.Sequential(first)])


def test_outputs_that_do_not_match_are_refused():
    image = torch.rand(2, 1, 4, 4).double()
    with pytest.raises(ValueError, match=r"Member 1 .* gives \(2, 3, 4, 4\), member 0 \(2, 2, 4, 4\).*out_channels"):
        Ensemble([*members(1), *members(1, channels=3)])(image)
    with pytest.raises(ValueError, match=r"Member 1 .* returned a list, not one tensor.*deep supervision"):
        Ensemble([*members(1), Several()])(image)


class Several(nn.Module):
    def forward(self, image):
        return [image, image]


def test_probabilities_of_one_channel_are_refused():
    with pytest.raises(ValueError, match=r"one channel, shape \(2, 1, 4, 4\).*probabilities=False"):
        Ensemble(members(channels=1), probabilities=True)(torch.rand(2, 1, 4, 4).double())
