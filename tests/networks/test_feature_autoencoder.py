# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.losses import FeatureReconstructionLoss
from monai_kd.networks import FeatureAutoencoder


@pytest.mark.parametrize(
    ("size", "code_size"),
    [((8, 8), (2, 2)), ((7, 5), (2, 2)), ((9, 6), (3, 2)), ((5, 6, 7), (2, 2, 2)), ((2, 2), (1, 1))],
)
def test_feature_comes_back_in_its_own_shape_from_a_smaller_code(size, code_size):
    autoencoder = FeatureAutoencoder(len(size), 6, channels=[4, 3, 2], strides=[2, 2, 1])
    reconstruction, code = autoencoder(torch.rand(2, 6, *size))
    assert reconstruction.shape == (2, 6, *size)
    assert code.shape == (2, 2, *code_size)
    assert code.min() >= 0


def test_the_encoder_alone_gives_the_code():
    autoencoder, feature = FeatureAutoencoder(2, 6, [4, 2], [2, 1]).eval(), torch.randn(2, 6, 8, 8)
    assert torch.equal(autoencoder.encoder(feature), autoencoder(feature)[1])


def test_reconstruction_may_be_negative():
    torch.manual_seed(0)
    assert FeatureAutoencoder(2, 6, [4, 2], [2, 1])(torch.randn(2, 6, 8, 8))[0].min() < 0


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_feature_of_low_rank_is_learned(spatial_dims):
    torch.manual_seed(0)
    autoencoder, loss = FeatureAutoencoder(spatial_dims, 8, [6, 4], [1, 1]), FeatureReconstructionLoss()
    feature = torch.einsum("cm,bm...->bc...", torch.randn(8, 2), torch.randn(4, 2, *[4] * spatial_dims))
    optimizer = torch.optim.Adam(autoencoder.parameters(), 0.02)
    values = []
    for _ in range(60):
        value = loss(autoencoder(feature), feature)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.2 * values[0]


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_channels_last_changes_nothing(spatial_dims):
    autoencoder = FeatureAutoencoder(spatial_dims, 6, [4, 2], [2, 1]).eval()
    feature = torch.randn(2, 6, *[5] * spatial_dims)
    last = torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
    torch.testing.assert_close(autoencoder(feature.to(memory_format=last)), autoencoder(feature))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"channels": [], "strides": []}, r"channels=\(\) and strides=\(\).*at least one"),
        ({"channels": [4, 2], "strides": [2]}, r"channels=\(4, 2\) and strides=\(2,\).*one of both"),
        ({"channels": [4, 0], "strides": [2, 1]}, r"channels=\(4, 0\).*numbers of 1 or more"),
        ({"channels": [4, 2], "strides": [0, 1]}, r"strides=\(0, 1\).*numbers of 1 or more"),
    ],
)
def test_wrong_arguments_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        FeatureAutoencoder(2, 6, **arguments)


def test_another_layers_feature_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 5, 8, 8\), expected 6 channels\. Set in_channels"):
        FeatureAutoencoder(2, 6, [4], [2])(torch.rand(1, 5, 8, 8))
