# SPDX-License-Identifier: Apache-2.0
from itertools import product

import pytest
import torch

from monai_kd import Pathway
from monai_kd.features import FeatureHooks
from monai_kd.losses import LayerwiseL1Loss
from monai_kd.networks import SeparableUNet
from tests.loss_contract import LossContract


def levels(tensor):
    """A layer and one of half its resolution."""
    return [tensor, tensor[(..., *[slice(None, None, 2)] * (tensor.ndim - 2))]]


class TestLayerwiseL1(LossContract):
    def make_loss(self):
        return LayerwiseL1Loss()

    def compare(self, loss, student, teacher):
        return loss(levels(student), levels(teacher))

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(dtype=torch.float64)
        differences = []
        for s, t in zip(levels(student), levels(teacher), strict=True):
            terms = [abs(s[i].item() - t[i].item()) for i in product(*map(range, s.shape))]
            differences.append(sum(terms) / len(terms))
        weights = [10 * (1 / 36) / (1 / 36 + 1 / 9), 10 * (1 / 9) / (1 / 36 + 1 / 9)]
        expected = sum(w * d for w, d in zip(weights, differences, strict=True))
        torch.testing.assert_close(
            self.compare(self.make_loss(), student, teacher), torch.tensor(expected, dtype=torch.float64)
        )


@pytest.mark.parametrize(("spatial_dims", "ratio"), [(2, 4), (3, 8)])
def test_a_layer_of_half_the_resolution_counts_by_its_positions(spatial_dims, ratio):
    ones = [torch.ones(1, 2, *[side] * spatial_dims) for side in (4, 2)]
    zeros = [torch.zeros_like(one) for one in ones]
    shallow = LayerwiseL1Loss()([ones[0], zeros[1]], zeros)
    deep = LayerwiseL1Loss()([zeros[0], ones[1]], zeros)
    torch.testing.assert_close(deep / shallow, torch.tensor(float(ratio)))
    torch.testing.assert_close(deep + shallow, torch.tensor(10.0))


def test_channels_do_not_change_a_layers_weight_and_total_scales_all():
    student = [torch.ones(1, 2, 4, 4), torch.ones(1, 9, 4, 4)]
    teacher = [torch.zeros(1, 2, 4, 4), torch.full((1, 9, 4, 4), 3.0)]
    torch.testing.assert_close(LayerwiseL1Loss(total=4.0)(student, teacher), torch.tensor(2 * 1.0 + 2 * 2.0))


def test_one_layer_is_the_mean_absolute_difference():
    student, teacher = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(LayerwiseL1Loss()(student, teacher), 10 * (student - teacher).abs().mean())


def test_a_regular_teacher_teaches_all_blocks_of_its_separable_student():
    torch.manual_seed(0)
    student, teacher = (SeparableUNet(2, 1, 2, channels=(3, 4, 5), separable=flag) for flag in (True, False))
    layers = [f"encoder.levels.{i}.convolve" for i in range(3)] + [f"decoder.levels.{i}.convolve" for i in range(2)]
    image = torch.randn(2, 1, 16, 16)
    with FeatureHooks(student, layers) as hooks, FeatureHooks(teacher.eval(), layers) as targets:
        student(image)
        with torch.no_grad():
            teacher(image)
        Pathway(LayerwiseL1Loss(), layers)(hooks.pop(), targets.pop(), {}).backward()
    trained = {name.split(".")[0] for name, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    assert trained == {"encoder", "decoder"}


def test_constant_features_have_finite_gradients():
    student = torch.zeros(1, 2, 4, 4, requires_grad=True)
    LayerwiseL1Loss()(student, torch.zeros(1, 2, 4, 4)).backward()
    assert torch.equal(student.grad, torch.zeros_like(student))


@pytest.mark.parametrize("total", [0.0, -1.0, float("nan")])
def test_a_total_that_is_not_above_zero_is_refused(total):
    with pytest.raises(ValueError, match=r"total must be above 0"):
        LayerwiseL1Loss(total=total)


@pytest.mark.parametrize(
    ("student", "teacher", "message"),
    [
        ([(1, 2, 4, 4)], [(1, 2, 4, 4)] * 2, r"student has 1 layers and teacher 2"),
        ([(1, 2, 4, 4), (1, 2, 2, 2)], [(1, 2, 4, 4), (1, 3, 2, 2)], r"\(1, 2, 2, 2\).*\(1, 3, 2, 2\)"),
    ],
)
def test_layers_that_do_not_match_are_refused(student, teacher, message):
    with pytest.raises(ValueError, match=message):
        LayerwiseL1Loss()([torch.zeros(s) for s in student], [torch.zeros(t) for t in teacher])
