# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import DecoupledLogitsLoss, LogitsKLLoss
from tests.loss_contract import LossContract


def label_of(teacher):
    """The teacher's most likely class, which is tiled and repeated with the logits."""
    return teacher.detach().argmax(dim=1, keepdim=True)


def softmax(values):
    exponentials = [math.exp(value) for value in values]
    return [e / sum(exponentials) for e in exponentials]


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def decoupled(student, teacher, target, temperature):
    """Both divergences of two lists of logits, by plain loops."""
    p, q = (softmax([z / temperature for z in logits]) for logits in (teacher, student))
    rest_p, rest_q = ([x / (1 - probabilities[target]) for x in probabilities] for probabilities in (p, q))
    del rest_p[target], rest_q[target]
    return kl([p[target], 1 - p[target]], [q[target], 1 - q[target]]), kl(rest_p, rest_q)


class TestDecoupledLogits(LossContract):
    channels = 4

    def make_loss(self):
        return DecoupledLogitsLoss(temperature=2.0)

    def compare(self, loss, student, teacher):
        return loss(student, teacher, label=label_of(teacher))

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, side=3, dtype=torch.float64)
        label = torch.arange(2 * 3**spatial_dims).reshape(2, 1, *[3] * spatial_dims) % 4
        terms = []
        for place in product(range(2), *[range(3)] * spatial_dims):
            s, t, y = (x.movedim(1, -1)[place].tolist() for x in (student, teacher, label))
            target, others = decoupled(s, t, y[0], 2.0)
            terms.append(1.5 * target + 0.5 * others)
        loss = DecoupledLogitsLoss(temperature=2.0, target_weight=1.5, other_weight=0.5)
        expected = torch.tensor(2.0**2 * sum(terms) / len(terms), dtype=torch.float64)
        torch.testing.assert_close(loss(student, teacher, label=label), expected)

    def test_plain_divergence_where_the_rest_is_weighted_by_its_probability(self):
        student, teacher = self.pair(dtype=torch.float64)
        student, teacher = student[:1, :, :1, :1], teacher[:1, :, :1, :1]
        label = torch.tensor([[[[2]]]])
        rest = 1 - (teacher / 3.0).softmax(dim=1)[0, 2].item()
        value = DecoupledLogitsLoss(temperature=3.0, other_weight=rest)(student, teacher, label=label)
        torch.testing.assert_close(value, LogitsKLLoss(temperature=3.0)(student, teacher))

    def test_an_offset_of_all_logits_changes_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        value = self.compare(self.make_loss(), student + 7.0, teacher - 3.0)
        torch.testing.assert_close(value, self.compare(self.make_loss(), student, teacher))

    def test_the_target_alone_does_not_change_the_rest(self):
        student, teacher = self.pair(dtype=torch.float64)
        label = label_of(teacher)
        louder = student + 5 * torch.zeros_like(student).scatter(1, label, 1.0)
        loss = DecoupledLogitsLoss(target_weight=0.0)
        torch.testing.assert_close(loss(louder, teacher, label=label), loss(student, teacher, label=label))

    def test_gradient_keeps_its_size_when_the_temperature_rises(self):
        student, teacher = self.pair(dtype=torch.float64)
        norms = []
        for temperature in (8.0, 16.0, 32.0, 64.0):
            leaf = student.clone().requires_grad_()
            self.compare(DecoupledLogitsLoss(temperature), leaf, teacher).backward()
            norms.append(leaf.grad.norm().item())
        assert max(norms) / min(norms) < 1.2

    def test_a_position_without_a_class_is_left_out(self):
        student, teacher = self.pair()
        label = label_of(teacher)
        label[..., 0], label[..., 1] = 255, -1
        leaf = student.clone().requires_grad_()
        value = self.make_loss()(leaf, teacher, label=label)
        value.backward()
        assert not leaf.grad[..., :2].any() and leaf.grad[..., 2:].any()
        seen = self.make_loss()(student[..., 2:], teacher[..., 2:], label=label[..., 2:])
        torch.testing.assert_close(value, seen)

    def test_a_label_of_another_resolution_and_type(self):
        student, teacher = self.pair()
        label = label_of(teacher)
        fine = label.float().repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        torch.testing.assert_close(
            self.make_loss()(student, teacher, label=fine), self.make_loss()(student, teacher, label=label)
        )

    def test_classification(self):
        student, teacher = self.pair()
        student, teacher = student[..., 0, 0], teacher[..., 0, 0]
        value = self.make_loss()(student, teacher, label=label_of(teacher))
        torch.testing.assert_close(value, self.compare(self.make_loss(), student[..., None], teacher[..., None]))

    @pytest.mark.parametrize("size", [0.0, 1e4])
    def test_constant_and_extreme_logits_give_finite_gradients(self, size):
        student = torch.zeros(1, 3, 2, 2, requires_grad=True)
        teacher = size * torch.tensor([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
        value = self.make_loss()(student, teacher, label=torch.ones(1, 1, 2, 2))
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all()


@pytest.mark.parametrize("classes", [1, 2])
def test_fewer_than_three_classes_are_refused_with_the_alternative(classes):
    logits = torch.zeros(1, classes, 4, 4)
    with pytest.raises(ValueError, match=rf"\(1, {classes}, 4, 4\).*Use LogitsKLLoss, or three classes"):
        DecoupledLogitsLoss()(logits, logits, label=torch.zeros(1, 1, 4, 4))


def test_a_label_of_one_channel_for_each_class_is_refused():
    logits = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"label has shape \(2, 3, 4, 4\).*argmax"):
        DecoupledLogitsLoss()(logits, logits, label=logits)


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature must be above 0"):
        DecoupledLogitsLoss(temperature=0.0)
