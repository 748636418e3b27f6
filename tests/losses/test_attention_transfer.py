# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import AttentionTransferLoss
from tests.loss_contract import LossContract


def attention(feature, exponent):
    """Unit vector of one sample's attention, by plain loops over its channels' flat lists."""
    positions = list(zip(*feature.flatten(1).tolist(), strict=True))
    means = [sum(abs(value) ** exponent for value in vector) / len(vector) for vector in positions]
    length = math.sqrt(sum(mean * mean for mean in means))
    return [mean / length for mean in means]


def squared_distances(student, teacher, exponent):
    """The loss of each sample's two unit vectors."""
    vectors = [[attention(sample, exponent) for sample in feature] for feature in (student, teacher)]
    return [sum((a - b) ** 2 for a, b in zip(s, t, strict=True)) for s, t in zip(*vectors, strict=True)]


class TestAuthorsCode(LossContract):
    scale_free = True
    takes_vectors = False
    size_independent = False  # its mean of squares shrinks with the number of positions

    def make_loss(self):
        return AttentionTransferLoss()

    @pytest.mark.parametrize(("spatial_dims", "exponent"), product([2, 3], [1.0, 2.0, 4.0]))
    def test_equation_by_plain_loops(self, spatial_dims, exponent):
        student, teacher = self.pair(spatial_dims, dtype=torch.float64)
        distances = squared_distances(student, teacher, exponent)
        expected = torch.tensor(sum(distances) / len(distances) / 6**spatial_dims, dtype=torch.float64)
        torch.testing.assert_close(AttentionTransferLoss(exponent)(student, teacher), expected)

    def test_shrinks_with_the_number_of_positions(self):
        pair = self.pair(dtype=torch.float64)
        tiled = [feature.repeat(1, 1, 2, 3) for feature in pair]
        torch.testing.assert_close(6 * self.make_loss()(*tiled), self.make_loss()(*pair))


class TestSummed(LossContract):
    scale_free = True
    takes_vectors = False

    def make_loss(self):
        return AttentionTransferLoss(exponent=4.0, summed=True)

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, dtype=torch.float64)
        distances = squared_distances(student, teacher, 4.0)
        expected = torch.tensor(sum(distances) / len(distances), dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)


class TestPaper(LossContract):
    scale_free = True
    takes_vectors = False

    def make_loss(self):
        return AttentionTransferLoss(squared=False)

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, dtype=torch.float64)
        norms = [math.sqrt(distance) for distance in squared_distances(student, teacher, 2.0)]
        expected = torch.tensor(sum(norms) / len(norms), dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)


@pytest.mark.parametrize("squared", [True, False])
def test_sign_scale_and_order_of_channels_change_nothing(squared):
    student, teacher = LossContract().pair(dtype=torch.float64)
    loss = AttentionTransferLoss(squared=squared)
    torch.testing.assert_close(loss(-7 * student[:, [2, 0, 1]], teacher), loss(student, teacher))


def test_channels_may_differ_and_the_larger_map_is_averaged_along_each_axis():
    student, teacher = torch.randn(2, 3, 4, 12), torch.randn(2, 5, 8, 6)
    map_s = (student**2).mean(1, keepdim=True).reshape(2, 1, 4, 6, 2).mean(4)
    map_t = (teacher**2).mean(1, keepdim=True).reshape(2, 1, 4, 2, 6).mean(3)
    loss = AttentionTransferLoss()
    torch.testing.assert_close(loss(student, teacher), loss(map_s.sqrt(), map_t.sqrt()))


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("exponent", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-6, 1.0, 6e4])
def test_constant_zero_and_extreme_features_have_finite_gradients(squared, exponent, scale):
    student = torch.full((2, 3, 4, 4), scale)
    student[0] = 0  # beside a sample that is not zero
    student.requires_grad_()
    value = AttentionTransferLoss(exponent, squared)(student, scale * torch.randn(2, 3, 4, 4))
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()
    assert not student.grad[0].any()


@pytest.mark.parametrize("scale", [1e-6, 6e4])
def test_fourth_powers_do_not_leave_the_range_of_single_precision(scale):
    student, teacher = LossContract().pair()
    loss = AttentionTransferLoss(exponent=4.0)
    torch.testing.assert_close(loss(scale * student, teacher), loss(student, teacher))


def test_degenerate_uses_are_refused():
    with pytest.raises(ValueError, match=r"exponent must be 1 or more, got 0\.5"):
        AttentionTransferLoss(exponent=0.5)
    with pytest.raises(ValueError, match=r"\(2, 3, 1, 1\) and \(2, 5, 4, 4\).*one position.*higher resolution"):
        AttentionTransferLoss()(torch.zeros(2, 3, 1, 1), torch.zeros(2, 5, 4, 4))
    for other in [(1, 3, 4, 4), (2, 3, 4, 4, 4)]:
        with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\).*same batch"):
            AttentionTransferLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(other))
