# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from monai_kd.losses.parts.sample_gradients import sample_gradients


def one_by_one(layer, feature, delta):
    rows = []
    for x, d in zip(feature, delta, strict=True):
        gradients = torch.autograd.grad(layer(x[None]), list(layer.parameters()), d[None])
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return torch.stack(rows)


LAYERS = {
    "linear": (lambda: nn.Linear(3, 2), (3,)),
    "2D": (lambda: nn.Conv2d(3, 2, 1), (3, 4, 5)),
    "3D": (lambda: nn.Conv3d(3, 2, 3, padding=1), (3, 3, 4, 5)),
    "two layers": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 1)), (3, 5, 5)),
    "buffers": (lambda: nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).eval(), (3, 4, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_equals_one_sample_at_a_time(name):
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer, feature = make().double(), torch.randn(4, *shape, dtype=torch.double)
    delta = torch.randn_like(layer(feature))
    expected = one_by_one(layer, feature, delta)
    torch.testing.assert_close(sample_gradients(feature, delta, layer), expected)


def test_its_own_gradients_are_right():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Tanh(), nn.Conv2d(2, 2, 1)).double()
    feature, delta = (torch.randn(2, 2, 2, 2, dtype=torch.double, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, d: sample_gradients(x, d, layer), (feature, delta))
    weight = layer[0].weight
    value = sample_gradients(feature, delta, layer).square().sum()
    (analytic,) = torch.autograd.grad(value, weight)
    with torch.no_grad():
        values = []
        for step in (1e-6, -1e-6):
            weight[0, 1, 0, 0] += step
            values.append(sample_gradients(feature, delta, layer).square().sum())
            weight[0, 1, 0, 0] -= step
    torch.testing.assert_close(analytic[0, 1, 0, 0], (values[0] - values[1]) / 2e-6, rtol=1e-5, atol=1e-6)


def test_half_precision_is_computed_in_full():
    layer = nn.Conv2d(1, 1, 1)
    feature, delta = torch.full((1, 1, 64, 64), 200.0).half(), torch.full((1, 1, 64, 64), 200.0).half()
    gradients = sample_gradients(feature, delta, layer)
    assert gradients.dtype == torch.float32
    torch.testing.assert_close(gradients[0, 0].item(), 200.0**2 * 64**2)


def test_weights_of_the_layer_are_left_alone():
    layer = nn.Linear(2, 1)
    before = layer.weight.detach().clone()
    sample_gradients(torch.rand(2, 2), torch.rand(2, 1), layer)
    assert torch.equal(layer.weight, before) and layer.weight.grad is None
