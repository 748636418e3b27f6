# SPDX-License-Identifier: Apache-2.0
"""U-Nets for thin volumes."""

import math

import pytest
import torch

from monai_kd.networks import StudentUNet, plan_strides
from monai_kd.student_bundle.student_definition import student_definition
from monai_kd.student_bundle.teacher.data_format import DataFormat


@pytest.mark.parametrize("size", [(96, 96, 96), (33, 40, 48), (224, 224)])
def test_a_patch_of_equal_sides_is_halved_everywhere(size):
    assert plan_strides(size) == [(2,) * len(size)] * 5


@pytest.mark.parametrize("size", [(128, 128, 16), (320, 320, 4), (64, 256, 8), (40, 3, 40), (512, 512, 1), (9, 9)])
@pytest.mark.parametrize("levels", [3, 5])
def test_two_pixels_stay_along_each_axis_that_is_halved(size, levels):
    strides = plan_strides(size, levels=levels)
    for axis, side in enumerate(size):
        total = math.prod(stride[axis] for stride in strides)
        assert total == 1 or side > total
    network = StudentUNet(len(size), 1, 2, channels=(4, 6, 8, 10, 12)[: len(strides)], strides=strides)
    assert network(torch.rand(2, 1, *size)).shape == (2, 2, *size)


def test_coarse_axes_wait_until_the_others_are_as_coarse():
    planned = plan_strides((256, 256, 64), spacing=(0.5, 0.5, 4.0))
    assert planned == [(2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)]
    assert plan_strides((64, 64, 64), spacing=(1.0, 1.0, 1.0), levels=2) == [(2, 2, 2)] * 2
    assert plan_strides((32, 32, 32), spacing=(1.0, 1.0, 2.0), levels=1) == [(2, 2, 2)]  # twice is near enough


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(ValueError, match="no axis has the 3 pixels"):
        plan_strides((2, 2))
    with pytest.raises(ValueError, match="expected 2 numbers above 0"):
        plan_strides((64, 64), spacing=(1.0, 0.0))


def test_all_twos_are_the_default_to_the_bit():
    torch.manual_seed(0)
    default = StudentUNet(2, 1, 2, channels=(4, 6, 8))
    other = StudentUNet(2, 1, 2, channels=(4, 6, 8), strides=[2, (2, 2), 2])
    other.load_state_dict(default.state_dict())
    image = torch.rand(1, 1, 20, 30)
    assert torch.equal(default(image), other(image))


@pytest.mark.parametrize("strides", [[2, 2], [2, 2, 3], [(2, 2, 1), 2, 2], [2, 2, 0]])
def test_strides_that_do_not_fit_are_refused(strides):
    with pytest.raises(ValueError, match="Give one entry for each of its 3 levels: 1 or 2, or 2 of them"):
        StudentUNet(2, 1, 2, channels=(4, 6, 8), strides=strides)


def test_a_volume_that_is_too_thin_is_told_what_each_axis_needs():
    network = StudentUNet(3, 1, 2, channels=(4, 6), strides=[(2, 2, 1), 2])
    with pytest.raises(ValueError, match=r"its levels need \(5, 5, 3\) pixels"):
        network(torch.rand(1, 1, 8, 8, 2))


def test_distill_plans_a_student_for_thin_patches_and_keeps_the_default_elsewhere():
    def student(*size):
        return student_definition("StudentUNet", DataFormat(size, in_channels=1, out_channels=2, classes={}))

    assert "strides" not in student(96, 96, 96) and "strides" not in student(224, 224)
    thin = student(128, 128, 16)
    assert thin["strides"][0] == [2, 2, 1] and len(thin["channels"]) == 5
    network = StudentUNet(**{key: value for key, value in thin.items() if key != "_target_"})
    assert network(torch.rand(1, 1, 128, 128, 16)).shape == (1, 2, 128, 128, 16)
    assert len(student(12, 12, 12)["channels"]) == 3


def test_scripted_with_strides():
    network = StudentUNet(3, 1, 2, channels=(4, 6, 8), strides=plan_strides((32, 32, 8), levels=3)).eval()
    image = torch.rand(1, 1, 32, 32, 8)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))
