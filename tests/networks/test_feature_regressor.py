# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn import functional

from monai_kd.networks import FeatureRegressor


def by_hand(regressor, feature, convolve):
    first, _, second, _ = regressor.layers
    hidden = convolve(feature, first.weight, first.bias, padding=first.padding).clamp_min(0)
    return convolve(hidden, second.weight, second.bias, padding=second.padding).clamp_min(0)


@pytest.mark.parametrize(("spatial_dims", "convolve"), [(2, functional.conv2d), (3, functional.conv3d)])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_is_two_convolutions_each_with_relu(spatial_dims, convolve, kernel_size):
    regressor = FeatureRegressor(spatial_dims, 3, 5, kernel_size=kernel_size)
    feature = torch.randn(2, 3, *[4] * spatial_dims)
    regressed = regressor(feature)
    assert regressed.shape == (2, 5, *[4] * spatial_dims) and regressed.min() >= 0
    torch.testing.assert_close(regressed, by_hand(regressor, feature, convolve))


@pytest.mark.parametrize(("shape", "size"), [((8, 8), [4, 5]), ((3, 4), [7, 7]), ((4, 4, 4), [2, 3, 6])])
def test_spatial_size_is_matched(shape, size):
    regressor = FeatureRegressor(len(shape), 3, 5)
    feature = torch.full((1, 3, *shape), 0.7)
    torch.testing.assert_close(regressor(feature, size=size), regressor(torch.full((1, 3, *size), 0.7)))


def test_the_features_own_size_is_not_resampled():
    regressor, feature = FeatureRegressor(2, 3, 5), torch.rand(1, 3, 6, 7)
    assert torch.equal(regressor(feature, size=[6, 7]), regressor(feature))


def test_both_convolutions_are_trained():
    torch.manual_seed(0)
    regressor = FeatureRegressor(2, 3, 5, hidden_channels=8)
    assert regressor.layers[0].out_channels == 8
    regressor(torch.rand(1, 3, 4, 4)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in regressor.parameters())


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_script_and_memory_format_change_nothing(spatial_dims):
    regressor, feature = FeatureRegressor(spatial_dims, 3, 5), torch.rand(2, 3, *[4] * spatial_dims)
    size, last = [6] * spatial_dims, torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
    expected = regressor(feature, size=size)
    torch.testing.assert_close(torch.jit.script(regressor)(feature, size), expected)
    torch.testing.assert_close(regressor(feature.to(memory_format=last), size=size), expected)


@pytest.mark.parametrize("kernel_size", [0, 2, -1])
def test_even_kernels_are_refused(kernel_size):
    with pytest.raises(ValueError, match=rf"kernel_size={kernel_size}\. Give an odd number"):
        FeatureRegressor(2, 3, 5, kernel_size=kernel_size)
