# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from monai_kd.engines import PrepareTeacherFeature


def teacher():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1))


@pytest.mark.parametrize(("layer", "depth"), [("0", 1), ("2", 3), ("", 4)])
def test_input_and_target_are_the_layers_output_in_evaluation_mode(layer, depth):
    network, image = teacher().train(), torch.rand(2, 1, 6, 6)
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    feature, target = PrepareTeacherFeature(network, layer)({"image": image, "label": "not looked at"}, "cpu")
    torch.testing.assert_close(feature, network.eval()[:depth](image))
    assert torch.equal(feature, target) and not feature.requires_grad
    assert all(torch.equal(value, buffers[name]) for name, value in network.named_buffers())


def test_no_hook_stays_behind():
    network = teacher()
    prepare = PrepareTeacherFeature(network, "0")
    prepare({"image": torch.rand(1, 1, 4, 4)})
    with pytest.raises(ValueError, match=r"cannot take an image of shape \(1, 3, 4, 4\)"):
        prepare({"image": torch.rand(1, 3, 4, 4)})
    assert not any(module._forward_hooks for module in network.modules())


def test_the_teacher_is_frozen():
    network = teacher()
    PrepareTeacherFeature(network, "0")
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_misspelled_layer_is_told_the_closest():
    with pytest.raises(ValueError, match=r"No layer '7' in Sequential"):
        PrepareTeacherFeature(teacher(), "7")


def test_a_batch_that_is_no_dictionary_is_refused():
    with pytest.raises(ValueError, match=r"got a list, expected a dictionary with 'image'"):
        PrepareTeacherFeature(teacher(), "0")([torch.rand(1, 1, 4, 4)])
