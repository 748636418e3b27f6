# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from monai_kd import LiveTeacher, layer_shapes


def network(width=4):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.Dropout(0.5), nn.Conv2d(width, 2, 1)
    )


def test_teacher_is_frozen_in_evaluation_mode_whatever_happens_to_it():
    teacher = network()
    state = copy.deepcopy(teacher.state_dict())
    image = torch.rand(4, 1, 8, 8)
    with LiveTeacher(teacher, ["", "0"]) as live:
        first = live(image)
        teacher.train()  # an engine may call train() on a parent module
        second = live(image)
    assert torch.equal(first[""], second[""])
    assert all(torch.equal(value, teacher.state_dict()[key]) for key, value in state.items())
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not first[""].requires_grad and not first["0"].requires_grad
    assert not first[""].is_inference()  # inference tensors break losses


def test_output_is_the_inferers():
    teacher = network().eval()
    image = torch.rand(1, 1, 16, 16)
    inferer = SlidingWindowInferer(roi_size=8, sw_batch_size=3)
    with LiveTeacher(teacher, ["", "0"]) as live:
        features = live(image, inferer)
    torch.testing.assert_close(features[""], inferer(image, teacher))
    assert features["0"].shape == (9, 4, 8, 8)  # nine windows


def test_several_outputs_of_one_resolution_are_refused_by_name():
    class Deep(nn.Module):
        def forward(self, x):
            return [x, 2 * x]

    image = torch.rand(2, 1, 4, 4)
    with (
        pytest.raises(ValueError, match=r"The teacher Deep returned several outputs.*teacher_layer='\[0\]'"),
        LiveTeacher(Deep(), [""]) as teacher,
    ):
        teacher(image)
    with LiveTeacher(Deep(), ["[1]"]) as teacher:
        assert torch.equal(teacher(image)["[1]"], 2 * image)


def test_torchscript_teaches_by_its_output_alone():
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 1)))
    with LiveTeacher(scripted, [""]) as teacher:
        features = teacher(torch.rand(1, 1, 4, 4))
    assert features[""].shape == (1, 2, 4, 4) and not any(p.requires_grad for p in scripted.parameters())
    with pytest.raises(ValueError, match="TorchScript, whose layers cannot be captured"):
        LiveTeacher(scripted, ["0"])
    with pytest.raises(ValueError, match="TorchScript"):
        layer_shapes(scripted, torch.rand(1, 1, 4, 4))


def test_a_run_of_the_network_by_others_is_not_captured():
    teacher, image = network(), torch.rand(2, 1, 8, 8)
    with LiveTeacher(teacher, ["", "0"]) as live:
        expected = live(image)
        teacher(torch.rand(3, 1, 12, 12))
        teacher[0](torch.rand(1, 1, 8, 8))  # another network may share and run a part of it
        again = live(image)
    assert torch.equal(again["0"], expected["0"]) and torch.equal(again[""], expected[""])


def test_a_call_that_failed_leaves_nothing_behind():
    teacher, image = network(), torch.rand(2, 1, 8, 8)

    def failing(image, network):
        network(image)
        raise RuntimeError("boom")

    with LiveTeacher(teacher, ["0"]) as live:
        expected = live(image)
        with pytest.raises(RuntimeError, match="boom"):
            live(image, failing)
        assert torch.equal(live(image)["0"], expected["0"])


@pytest.mark.parametrize("part", ["1", "2", ""])
def test_a_part_set_to_training_mode_teaches_in_evaluation_mode(part):
    teacher, image = network(), torch.rand(4, 1, 8, 8)
    state = copy.deepcopy(teacher.state_dict())
    with LiveTeacher(teacher, [""]) as live:
        expected = live(image)[""]
        teacher.get_submodule(part).training = True  # that module alone
        assert torch.equal(live(image)[""], expected)
        teacher.get_submodule(part).train()
        assert torch.equal(live.output(image), expected)
    assert all(torch.equal(value, state[key]) for key, value in teacher.state_dict().items())


@pytest.mark.parametrize("layers", [["encoder"], ["", "encoder"]])
def test_a_layer_of_the_student_looked_for_in_the_teacher_is_told(layers):
    with pytest.raises(ValueError, match=r"No layer 'encoder' in Sequential, the teacher\. .*teacher_layer='' for its"):
        LiveTeacher(network(), layers)
