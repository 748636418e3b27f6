# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from monai_kd.networks import StudentUNet
from monai_kd.networks.fast_volumes import LEAST_FOR_ONEDNN, SingleVolumeConv3d, resize_volume
from monai_kd.study.reporting.cost import network_cost


def pair(**arguments):
    torch.manual_seed(0)
    fast = SingleVolumeConv3d(4, 6, 3, **arguments)
    stock = nn.Conv3d(4, 6, 3, **arguments)
    stock.load_state_dict(fast.state_dict())
    return fast, stock


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "arguments",
    [{"padding": 1}, {"stride": 2, "padding": 1, "bias": False}, {"dilation": 2}, {"padding": "same"}],
)
def test_values_and_gradients_are_those_of_conv3d(count, arguments):
    fast, stock = pair(**arguments)
    image = torch.randn(count, 4, 9, 8, 7)
    with torch.no_grad():
        torch.testing.assert_close(fast(image), stock(image), atol=1e-5, rtol=1e-5)
    results = []
    for layer in (fast, stock):
        leaf = image.clone().requires_grad_()
        output = layer(leaf)
        (output * torch.linspace(-1, 1, output.numel()).reshape(output.shape)).sum().backward()
        results.append([output, leaf.grad, *(weight.grad for weight in layer.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def kernels(layer, image):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        output = layer(image)
        if output.requires_grad:
            output.sum().backward()
    return {event.key for event in profile.key_averages()}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("training", [True, False])
def test_a_single_small_volume_goes_to_onednn(training):
    fast, stock = pair(padding=1)
    image = torch.randn(1, 4, 9, 8, 7)
    assert image.shape[:4].numel() < LEAST_FOR_ONEDNN
    with torch.set_grad_enabled(training):
        assert "aten::slow_conv3d_forward" in kernels(stock, image), "torch is as fast itself: use its Conv3d"
        used = kernels(fast, image)
    assert "aten::mkldnn_convolution" in used and not {name for name in used if "slow_conv3d" in name}


def test_a_studys_report_counts_its_operations():
    fast, stock = (network_cost(layer, (1, 4, 9, 8, 7)).flops for layer in pair(stride=2, padding=1))
    assert fast == stock > 0


def test_a_volume_without_a_batch_axis_and_tracing_are_as_conv3ds(recwarn):
    fast = SingleVolumeConv3d(1, 6, 3, padding=1).requires_grad_(False)
    volume = torch.randn(1, 6, 5, 4)
    assert torch.equal(fast(volume), nn.Conv3d.forward(fast, volume))
    torch.jit.trace(fast, volume[None])
    assert not [warning for warning in recwarn if issubclass(warning.category, torch.jit.TracerWarning)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_stay_torchs(dtype):
    fast, stock = pair(padding=1)
    image = torch.randn(1, 4, 6, 6, 6, dtype=dtype)
    assert torch.equal(fast.to(dtype)(image), stock.to(dtype)(image))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fast.float()(image.float()).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [(6, 8, 10), (5, 7, 9), (3, 4, 5), (1, 9, 2)])
def test_volumes_are_resized_as_by_interpolate(size):
    volume = torch.randn(2, 3, 3, 4, 5)
    expected = functional.interpolate(volume, size=size, mode="trilinear", align_corners=False)
    torch.testing.assert_close(resize_volume(volume, size), expected)


def test_a_student_of_volumes_gives_what_stock_layers_give():
    student = StudentUNet(3, 1, 2, channels=(4, 8, 12)).eval()
    stock = copy.deepcopy(student)
    for module in stock.modules():
        if isinstance(module, SingleVolumeConv3d):
            module.__class__ = nn.Conv3d
    image = torch.rand(1, 1, 20, 18, 17)
    torch.testing.assert_close(student(image), stock(image), atol=1e-5, rtol=1e-5)
    assert type(StudentUNet(2, 1, 2).head) is nn.Conv2d
