# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import LogitsCorrelationLoss
from tests.loss_contract import LossContract


def softmax(values):
    exponentials = [math.exp(value) for value in values]
    return [e / sum(exponentials) for e in exponentials]


def pearson(a, b):
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    a, b = [x - mean_a for x in a], [x - mean_b for x in b]
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def by_plain_loops(student, teacher, temperature):
    """Mean distance between classes, and within classes."""
    rows = []
    for logits in (student, teacher):
        places = product(*(range(side) for side in (len(logits), *logits.shape[2:])))
        rows.append([softmax((logits.movedim(1, -1)[p] / temperature).tolist()) for p in places])
    inter = [1 - pearson(s, t) for s, t in zip(*rows, strict=True)]
    columns = [list(zip(*row, strict=True)) for row in rows]
    intra = [1 - pearson(s, t) for s, t in zip(*columns, strict=True)]
    return sum(inter) / len(inter), sum(intra) / len(intra)


class TestThreeClasses(LossContract):
    def make_loss(self):
        return LogitsCorrelationLoss(temperature=2.0, inter_weight=0.5, intra_weight=2.0)

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, side=3, dtype=torch.float64)
        inter, intra = by_plain_loops(student, teacher, 2.0)
        expected = torch.tensor(0.5 * inter + 2.0 * intra, dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student, teacher), expected)

    def test_less_certainty_by_the_same_share_everywhere_costs_nothing(self):
        _, teacher = self.pair(dtype=torch.float64)
        unsure = 0.3 * teacher.softmax(dim=1) + 0.7 / 3
        value = LogitsCorrelationLoss()(unsure.log(), teacher)
        torch.testing.assert_close(value, torch.zeros_like(value))

    def test_an_offset_of_all_logits_changes_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(student + 7.0, teacher - 3.0), self.make_loss()(student, teacher))

    def test_the_order_of_samples_and_positions_changes_nothing(self):
        pair = self.pair(dtype=torch.float64)
        moved = [tensor.flip(0).roll((1, 2), dims=(2, 3)) for tensor in pair]
        torch.testing.assert_close(self.make_loss()(*moved), self.make_loss()(*pair))

    def test_classification(self):
        student, teacher = (torch.randn(5, 3, dtype=torch.float64) for _ in range(2))
        inter, intra = by_plain_loops(student, teacher, 1.0)
        expected = torch.tensor(inter + intra, dtype=torch.float64)
        torch.testing.assert_close(LogitsCorrelationLoss()(student, teacher), expected)


class TestTwoClassesWithin(LossContract):
    channels = 2

    def make_loss(self):
        return LogitsCorrelationLoss(inter_weight=0.0)

    def test_equals_one_channel_of_sigmoid(self):
        student, teacher = self.pair(dtype=torch.float64)
        one = [z[:, 1:] - z[:, :1] for z in (student, teacher)]
        value = LogitsCorrelationLoss(inter_weight=0.0, sigmoid=True)(*one)
        torch.testing.assert_close(self.make_loss()(student, teacher), value)

    def test_opposite_answers_cost_two(self):
        student, _ = self.pair(dtype=torch.float64)
        torch.testing.assert_close(self.make_loss()(-student, student).item(), 2.0)


class TestSigmoid(LossContract):
    def make_loss(self):
        return LogitsCorrelationLoss(sigmoid=True)

    def test_only_the_channels_answers_count(self):
        _, teacher = self.pair(dtype=torch.float64)
        p = teacher.sigmoid()
        value = self.make_loss()((0.2 * p + 0.4).logit(), teacher)
        torch.testing.assert_close(value, torch.zeros_like(value))


def test_gradient_keeps_its_size_when_the_temperature_rises():
    student, teacher = LossContract().pair(dtype=torch.float64)
    norms = []
    for temperature in (4.0, 8.0, 16.0, 32.0):
        leaf = student.clone().requires_grad_()
        LogitsCorrelationLoss(temperature)(leaf, teacher).backward()
        norms.append(leaf.grad.norm().item())
    assert max(norms) / min(norms) < 1.2


@pytest.mark.parametrize("fill", [0.0, 1000.0])
def test_a_constant_student_has_no_gradient(fill):
    student = torch.zeros(2, 3, 4, 4)
    student[:, 0] = fill
    student.requires_grad_()
    value = LogitsCorrelationLoss()(student, torch.randn(2, 3, 4, 4))
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all() and student.grad.abs().max() < 1


def test_two_classes_are_refused_unless_compared_within_alone():
    logits = torch.zeros(2, 2, 4, 4)
    with pytest.raises(ValueError, match=r"\(2, 2, 4, 4\).*1 or -1.*Use LogitsCorrelationLoss\(inter_weight=0\)"):
        LogitsCorrelationLoss()(logits, logits)


def test_one_channel_is_refused_with_the_alternative():
    logits = torch.zeros(2, 1, 4, 4)
    with pytest.raises(ValueError, match=r"one channel.*sigmoid=True, inter_weight=0"):
        LogitsCorrelationLoss(inter_weight=0)(logits, logits)


def test_too_few_samples_are_refused_with_the_alternative():
    logits = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"\(2, 3\).*three samples or positions.*intra_weight=0"):
        LogitsCorrelationLoss()(logits, logits)
    assert LogitsCorrelationLoss(intra_weight=0)(torch.randn(2, 3), torch.randn(2, 3)).isfinite()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"temperature": 0.0}, "temperature must be above 0"), ({"inter_weight": 0, "intra_weight": 0}, "both 0")],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogitsCorrelationLoss(**arguments)
