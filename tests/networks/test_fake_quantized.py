# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from monai.networks.nets import UNet
from torch import nn

from monai_kd import FeatureHooks
from monai_kd.networks import FakeQuantized, StudentUNet
from tests.helpers import assert_identical


def convolution(spatial_dims: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return (nn.Conv2d if spatial_dims == 2 else nn.Conv3d)(2, 3, 3, padding=1)


def student(spatial_dims: int = 2, **arguments: Any) -> StudentUNet:
    torch.manual_seed(0)
    return StudentUNet(spatial_dims, 1, 2, channels=(4, 6, 8), **arguments)


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Eight bits over the range of x, which holds 0, from the equation: one number at a time."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / 255
    zero = round(-low / scale)
    values = [scale * (min(max(round(v / scale) + zero, 0), 255) - zero) for v in x.flatten().tolist()]
    return torch.tensor(values).reshape(x.shape)


def rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    channels = []
    for channel in weight.detach():
        scale = float(channel.abs().max()) / 127
        channels.append(torch.tensor([scale * round(v / scale) for v in channel.flatten().tolist()]))
    return torch.stack(channels).reshape(weight.shape)


def ranges(wrapped: FakeQuantized) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in wrapped.state_dict().items() if k.endswith(("_val", "scale", "zero_point"))}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_convolution_is_the_equation_s(spatial_dims: int) -> None:
    layer = convolution(spatial_dims)
    image = torch.randn(2, 2, *[5] * spatial_dims)
    plain = nn.functional.conv2d if spatial_dims == 2 else nn.functional.conv3d
    expected = rounded(plain(rounded(image), rounded_weight(layer.weight), layer.bias.detach(), padding=1))
    actual = FakeQuantized(layer)(image)
    # A value in the middle of two steps may be rounded up or down.
    step = float(expected.max() - expected.min()) / 255
    assert (actual - expected).abs().max() <= 1.01 * step
    assert ((actual - expected).abs() < 1e-5).float().mean() > 0.98


def test_few_values_are_left_and_the_answer_is_near_the_float_one() -> None:
    network, image = student(), torch.randn(4, 1, 32, 32)
    wrapped = FakeQuantized(network)
    with FeatureHooks(wrapped, ["encoder.levels.0.conv"]) as hooks:
        answer = wrapped(image)
        values = hooks.pop()["encoder.levels.0.conv"]
    assert values.shape == (4, 4, 16, 16)
    error = (answer - network(image)).abs().mean() / network(image).std()
    assert 0 < error < 0.1


def test_ranges_follow_training_and_rest_in_evaluation() -> None:
    wrapped, image = FakeQuantized(convolution()), torch.randn(1, 2, 8, 8)
    wrapped(image)
    before = ranges(wrapped)
    wrapped.eval()(100 * image)
    assert_identical(ranges(wrapped), before)
    wrapped.train()(100 * image)
    low = wrapped.quantizers[0].input.activation_post_process.min_val
    first, second = image.min(), 100 * image.min()
    torch.testing.assert_close(low, first + 0.01 * (second - first))


def test_the_network_itself_is_left_as_it_is() -> None:
    network, image = student().eval(), torch.randn(1, 1, 16, 16)
    before, keys = network(image), list(network.state_dict())
    wrapped = FakeQuantized(network)
    wrapped.train()(image)
    assert list(network.state_dict()) == keys
    torch.testing.assert_close(network.eval()(image), before, rtol=0, atol=0)
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())


def test_a_layer_that_fails_leaves_no_hook() -> None:
    network = nn.Sequential(convolution(), nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        FakeQuantized(network)(torch.randn(1, 2, 8, 8))
    assert not network[0]._forward_hooks and not network[0]._forward_pre_hooks


def test_gradients_pass_as_if_nothing_had_been_rounded() -> None:
    layer, image = convolution(), torch.randn(1, 2, 8, 8)
    FakeQuantized(layer)(image).sum().backward()
    ones = torch.ones(1, 3, 8, 8)
    expected = torch.nn.grad.conv2d_weight(rounded(image), layer.weight.shape, ones, padding=1)
    torch.testing.assert_close(layer.weight.grad, expected, rtol=1e-4, atol=1e-4)


def test_training_makes_up_for_the_rounding() -> None:
    """One outlier ruins the resolution of an input; training finds weights that rounding changes less."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    image = torch.randn(8, 1, 16, 16)
    image[0, 0, 0, 0] = 200.0
    target = torch.nn.functional.avg_pool2d(image, 3, 1, 1)
    wrapped = FakeQuantized(network)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (wrapped(image) - target)[1:].square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_state_makes_a_round_trip() -> None:
    wrapped, image = FakeQuantized(student()), torch.randn(2, 1, 16, 16)
    wrapped(image)
    file = io.BytesIO()
    torch.save(wrapped.state_dict(), file)
    file.seek(0)
    other = FakeQuantized(StudentUNet(2, 1, 2, channels=(4, 6, 8)))
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.eval()(image), wrapped.eval()(image))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    wrapped = FakeQuantized(convolution())
    image = torch.randn(1, 2, 8, 8)
    expected = wrapped(image)
    with torch.autocast("cpu", dtype):
        actual = wrapped(image)
    assert actual.isfinite().all()
    assert (actual.float() - expected).abs().max() < 0.05 * expected.abs().max()


def test_channels_last_and_copies() -> None:
    wrapped, image = FakeQuantized(student()), torch.randn(2, 1, 16, 16)
    expected = wrapped(image)
    wrapped.eval()
    torch.testing.assert_close(copy.deepcopy(wrapped)(image), wrapped(image), rtol=0, atol=0)
    last = wrapped(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, wrapped(image), rtol=1e-3, atol=0.05)
    assert last.shape == expected.shape


def test_other_networks_too() -> None:
    network = UNet(spatial_dims=3, in_channels=1, out_channels=2, channels=(4, 8), strides=(2,))
    assert FakeQuantized(network)(torch.randn(1, 1, 8, 8, 8)).shape == (1, 2, 8, 8, 8)


def test_without_convolutions_it_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no convolution"):
        FakeQuantized(nn.Linear(2, 2))


def test_evaluation_before_training_is_refused() -> None:
    with pytest.raises(ValueError, match="seen no data yet"):
        FakeQuantized(convolution()).eval()(torch.randn(1, 2, 8, 8))
