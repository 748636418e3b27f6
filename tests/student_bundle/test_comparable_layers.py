# SPDX-License-Identifier: Apache-2.0
"""The proposed pairs, of networks of several kinds."""

import json

import pytest
import torch
from monai.bundle import ConfigParser
from monai.networks.nets import AttentionUnet, BasicUNet, DynUNet, FlexibleUNet, SegResNet, UNet

from monai_kd import FeatureHooks, Pathways
from monai_kd.networks import StudentUNet
from monai_kd.student_bundle.comparable_layers import all_layers, comparable_layers
from monai_kd.student_bundle.layer_pairs import hidden_pathway, pairs_text, propose_pairs, read_pairs

DYNAMIC = {"kernel_size": (3, 3, 3), "strides": (1, 2, 2), "upsample_kernel_size": (2, 2)}
TEACHERS = {
    "UNet": lambda dims: UNet(dims, 1, 2, channels=(4, 8, 16, 16), strides=(2, 2, 2)),
    "BasicUNet": lambda dims: BasicUNet(dims, 1, 2, features=(4, 4, 8, 8, 16, 4)),
    "SegResNet": lambda dims: SegResNet(dims, init_filters=8, in_channels=1, out_channels=2),
    "AttentionUnet": lambda dims: AttentionUnet(dims, 1, 2, channels=(4, 8, 16), strides=(2, 2)),
    "DynUNet": lambda dims: DynUNet(dims, 1, 2, filters=(4, 8, 16), **DYNAMIC),
}


def student_of(dims):
    return StudentUNet(dims, 1, 2, channels=(4, 6, 8))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", TEACHERS)
def test_pairs_are_of_one_size_and_can_be_compared(name, dims):
    teacher, student = TEACHERS[name](dims), student_of(dims)
    image = torch.rand(1, 1, *[32, 16, 16][:dims])
    layers = all_layers(student, image), all_layers(teacher, image)
    pairs = propose_pairs(student, layers[0], teacher, layers[1], classes=(2, 2))
    assert len(pairs) >= 2 and {pair.student.part for pair in pairs} == {"encoder", "decoder"}
    assert all(pair.student.size == pair.teacher.size and pair.teacher.channels != 2 for pair in pairs)
    config = {"_target_": "monai_kd.Pathways", "hidden": hidden_pathway(pairs, 0.5)}
    pathways: Pathways = ConfigParser({"pathways": config}).get_parsed_content("pathways")
    with (
        FeatureHooks(student, pathways.student_layers) as ours,
        FeatureHooks(teacher, pathways.teacher_layers) as theirs,
    ):
        student(image), teacher(image)
        term = pathways(ours.pop(), theirs.pop(), {})["hidden"]
    assert term > 0
    term.backward()


def test_the_last_block_of_a_stage_is_taken_and_no_part_of_the_next_one():
    teacher = FlexibleUNet(1, 2, backbone="resnet18", pretrained=False)
    layers = comparable_layers(teacher, all_layers(teacher, torch.zeros(1, 1, 64, 64)), classes=2)
    names = [layer.name for layer in layers.values()]
    assert {"encoder.layer1", "encoder.layer2", "encoder.layer3", "encoder.layer4"} <= set(names)
    assert not any("segmentation_head" in name for name in names)


def test_pairs_by_hand():
    image = torch.zeros(1, 1, 32, 32)
    student, teacher = student_of(2), TEACHERS["UNet"](2)
    ours, theirs = all_layers(student, image), all_layers(teacher, image)
    proposed = propose_pairs(student, ours, teacher, theirs, classes=(2, 2))
    text = pairs_text(proposed)
    assert [pair.teacher.name for pair in read_pairs(text, "file", ours, theirs)] == [p.teacher.name for p in proposed]
    assert len(text.splitlines()) == len(proposed) + 2  # a pair a line

    other = json.dumps([{"student": "encoder.levels.0", "teacher": "model.1.submodule.0"}])
    (pair,) = read_pairs(other, "file", ours, theirs)
    assert pair.adapter()["_target_"] == "monai_kd.networks.FeatureRegressor"  # which resizes
    for wrong, message in (
        (
            '[{"student": "encoder.level.0", "teacher": "model.0"}]',
            "file: The student has no layer.*'encoder.levels.0'",
        ),
        ('[{"student": "encoder", "teacher": "model.9"}]', "file: The teacher has no layer 'model.9'"),
        ('[{"student": "encoder"}]', "file must be a JSON list of"),
        ("{", "file must be a JSON list of"),
    ):
        with pytest.raises(ValueError, match=message):
            read_pairs(wrong, "file", ours, theirs)
