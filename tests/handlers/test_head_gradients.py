# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.networks.nets import UNet
from torch import nn

from monai_kd.handlers.methods.head_gradients import count_weights, head_gradients
from monai_kd.networks import StudentUNet


def student(dims):
    torch.manual_seed(0)
    return StudentUNet(dims, 1, 3, [2, 4])


def unet(dims):
    torch.manual_seed(0)
    return UNet(dims, 1, 3, channels=(2, 4), strides=(2,))


def batch(dims, side=9):
    generator = torch.Generator().manual_seed(dims)
    label = torch.randint(0, 3, (3, 1, *[side] * dims), generator=generator)
    return torch.randn((3, 1, *[side] * dims), generator=generator), label.float()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("make", "head", "side"), [(student, "head", 9), (unet, "model.2", 8)])
def test_equal_the_gradients_of_each_image_alone(make, head, side, dims):
    """The student resizes its head's output, so the gradient passes through the layers after the head."""
    network, (image, label) = make(dims).eval(), batch(dims, side)
    logits, gradients = head_gradients(network, head, image, label)
    torch.testing.assert_close(logits, network(image))
    for n in range(3):
        loss = F.cross_entropy(network(image[n : n + 1]), label[n : n + 1, 0].long())
        alone = torch.autograd.grad(loss, list(network.get_submodule(head).parameters()))
        torch.testing.assert_close(gradients[n], torch.cat([g.flatten() for g in alone]), rtol=1e-4, atol=1e-6)


def test_they_have_a_gradient_of_their_own():
    network, (image, label) = student(2).double(), batch(2)
    weight, image = network.encoder.levels[0].conv.weight, image.double()

    def value():
        return head_gradients(network, "head", image, label)[1].float().square().sum().double()

    (analytic,) = torch.autograd.grad(value(), weight)
    values = []
    for step in (1e-3, -2e-3):
        with torch.no_grad():
            weight[0, 0, 0, 0] += step
        values.append(value().detach())
    torch.testing.assert_close(analytic[0, 0, 0, 0], (values[0] - values[1]) / 2e-3, rtol=1e-2, atol=1e-4)


def test_no_hook_is_left_behind():
    network, (image, label) = student(2), batch(2)
    head_gradients(network, "head", image, label)
    with pytest.raises(ValueError):
        head_gradients(network, "head", image, label[:, :, :5])
    assert not network.head._forward_hooks


def test_metadata_does_not_matter():
    network, (image, label) = student(2), batch(2)
    expected = head_gradients(network, "head", image, label)[1]
    torch.testing.assert_close(head_gradients(network, "head", MetaTensor(image), label)[1], expected)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(1, 2, 1)

    def forward(self, image):
        return self.head(image) + self.head(2 * image)


def test_what_does_not_fit_is_told():
    image, label = batch(2)
    with pytest.raises(ValueError, match=r"The head 'head' ran 2 times"):
        head_gradients(Twice(), "head", image, label)
    with pytest.raises(
        ValueError, match=r"\(3, 3, 9, 9\) for a label of shape \(3, 3, 9, 9\).*class indices, B1H\[WD\]"
    ):
        head_gradients(student(2), "head", image, label.expand(3, 3, 9, 9))
    with pytest.raises(ValueError, match=r"\(3, 1, 9, 9\).*two or more classes"):
        head_gradients(nn.Conv2d(1, 1, 1), "", image, label)


def test_a_head_without_weights_or_too_large_is_refused():
    network = student(2)
    assert count_weights(network, "head") == 2 * 3 + 3
    with pytest.raises(ValueError, match=r"'encoder.levels.0.act' has 0 weights.*the last one with weights is 'head'"):
        count_weights(network, "encoder.levels.0.act")
    with pytest.raises(ValueError, match=r"has 1001000 weights.*at most 100000"):
        count_weights(nn.Sequential(nn.Linear(1000, 1000)), "0")
