# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.networks import ChannelAdapter


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_is_one_matrix_at_every_position(spatial_dims):
    adapter = ChannelAdapter(spatial_dims, 3, 5)
    feature = torch.rand(2, 3, *[4] * spatial_dims)
    weight = adapter.conv.weight.flatten(1)
    expected = torch.einsum("oi,bi...->bo...", weight, feature) + adapter.conv.bias.view(1, 5, *[1] * spatial_dims)
    torch.testing.assert_close(adapter(feature), expected)


def test_channels_last_and_script_change_nothing():
    adapter, feature = ChannelAdapter(2, 3, 5), torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(adapter(feature.to(memory_format=torch.channels_last)), adapter(feature))
    torch.testing.assert_close(torch.jit.script(adapter)(feature), adapter(feature))
