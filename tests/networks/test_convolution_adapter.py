# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn import functional

from monai_kd.networks import ConvolutionAdapter


@pytest.mark.parametrize(("spatial_dims", "convolve"), [(2, functional.conv2d), (3, functional.conv3d)])
def test_is_convolution_batch_norm_and_relu(spatial_dims, convolve):
    adapter, feature = ConvolutionAdapter(spatial_dims, 3, 5), torch.randn(2, 3, *[4] * spatial_dims)
    convolution = adapter.layers.conv
    mapped = convolve(feature, convolution.weight, convolution.bias, padding=1)
    expected = functional.batch_norm(mapped, None, None, training=True).clamp_min(0)
    torch.testing.assert_close(adapter(feature), expected)


@pytest.mark.parametrize(("spatial_dims", "convolve"), [(2, functional.conv2d), (3, functional.conv3d)])
def test_or_the_convolution_alone(spatial_dims, convolve):
    adapter = ConvolutionAdapter(spatial_dims, 3, 5, conv_only=True)
    feature, convolution = torch.randn(2, 3, *[4] * spatial_dims), adapter.layers.conv
    torch.testing.assert_close(adapter(feature), convolve(feature, convolution.weight, convolution.bias, padding=1))


@pytest.mark.parametrize(("shape", "size"), [((8, 8), [4, 5]), ((3, 4), [7, 7]), ((4, 4, 4), [2, 3, 6])])
def test_spatial_size_is_matched(shape, size):
    adapter = ConvolutionAdapter(len(shape), 3, 5, conv_only=True)
    feature = torch.full((1, 3, *shape), 0.7)
    torch.testing.assert_close(adapter(feature, size=size), adapter(torch.full((1, 3, *size), 0.7)))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_script_and_memory_format_change_nothing(spatial_dims):
    adapter, feature = ConvolutionAdapter(spatial_dims, 3, 5).eval(), torch.rand(2, 3, *[4] * spatial_dims)
    size, last = [6] * spatial_dims, torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
    expected = adapter(feature, size=size)
    torch.testing.assert_close(torch.jit.script(adapter)(feature, size), expected)
    torch.testing.assert_close(adapter(feature.to(memory_format=last), size=size), expected)
