# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import LogitsMSELoss, NoiseAdaptationLoss
from tests.loss_contract import LossContract


def label_of(teacher):
    """A class for each position, tiled and repeated with the logits; often not the most likely one."""
    return teacher.detach().argmin(dim=1, keepdim=True)


def trained(loss, seed=0):
    """The loss after its matrix has learned something."""
    noise = torch.randn(loss.weight.shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        loss.weight.add_(noise.to(loss.weight))
    return loss


def softmax(values):
    exponentials = [math.exp(value) for value in values]
    return [e / sum(exponentials) for e in exponentials]


class TestNoiseAdaptation(LossContract):
    hears_teacher = False
    least_when_equal = False  # the label teaches, not the teacher

    def make_loss(self):
        return trained(NoiseAdaptationLoss(num_classes=3))

    def compare(self, loss, student, teacher):
        return loss(student, teacher, label=label_of(teacher))

    @pytest.mark.parametrize("spatial_dims", [0, 2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, side=3, dtype=torch.float64)
        label = torch.arange(2 * 3**spatial_dims).reshape(2, 1, *[3] * spatial_dims) * 5 % 3
        loss = self.make_loss().double()
        transition = [softmax(row) for row in loss.weight.tolist()]
        terms = []
        for place in product(range(2), *[range(3)] * spatial_dims):
            p, y = (x.movedim(1, -1)[place].tolist() for x in (student, label))
            terms.append(-math.log(sum(q[y[0]] * a for a, q in zip(softmax(p), transition, strict=True))))
        expected = torch.tensor(sum(terms) / len(terms), dtype=torch.float64)
        torch.testing.assert_close(loss(student, teacher, label=label), expected)

    def test_gradcheck_of_the_matrix(self):
        student, teacher = self.pair(side=2, dtype=torch.float64)
        loss = self.make_loss().double()

        def of(weight):
            return torch.func.functional_call(loss, {"weight": weight}, (student, teacher, label_of(teacher)))

        assert torch.autograd.gradcheck(of, loss.weight)

    def test_the_teacher_is_not_compared(self):
        student, teacher = self.pair()
        loss, label = self.make_loss(), label_of(teacher)
        assert torch.equal(loss(student, teacher, label=label), loss(student, 5 - teacher, label=label))

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
        assert self.make_loss()(leaf, teacher, label=torch.full_like(label, -1)) == 0

    @pytest.mark.parametrize("dtype", [torch.long, torch.uint8, torch.float32])
    def test_labels_of_a_classifier_with_and_without_an_axis_for_their_channel(self, dtype):
        student, teacher = (tensor[..., 0, 0] for tensor in self.pair())
        label = torch.tensor([2, 0]).to(dtype)
        values = [self.make_loss()(student, teacher, label=x) for x in (label, label[:, None])]
        assert torch.equal(*values)

    @pytest.mark.parametrize("size", [1e4, -1e4])
    def test_a_student_that_is_sure_has_finite_gradients(self, size):
        student = torch.tensor([[size, 0.0, 0.0]], requires_grad=True)
        loss = self.make_loss()
        value = loss(student, student.detach(), label=torch.tensor([0]))
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all() and loss.weight.grad.isfinite().all()


@pytest.mark.parametrize(("classes", "noise"), [(2, 0.1), (2, 0.4), (5, 0.3)])
def test_the_matrix_begins_near_the_identity(classes, noise):
    transition = NoiseAdaptationLoss(classes, initial_noise=noise).transition
    expected = torch.full((classes, classes), noise / (classes - 1)).fill_diagonal_(1 - noise)
    torch.testing.assert_close(transition.detach(), expected)


def test_its_rows_stay_distributions_whatever_is_learned():
    transition = trained(NoiseAdaptationLoss(4)).transition
    assert (transition > 0).all()
    torch.testing.assert_close(transition.sum(dim=1), torch.ones(4))


def test_it_learns_how_the_labels_of_a_student_who_knows_are_wrong():
    true = torch.arange(2000) % 2
    wrong = torch.rand(2000, generator=torch.Generator().manual_seed(0)) < torch.tensor([0.1, 0.4])[true]
    student = 20 * torch.nn.functional.one_hot(true, 2).float()
    label = torch.where(wrong, 1 - true, true)
    loss = NoiseAdaptationLoss(2)
    optimizer = torch.optim.Adam(loss.parameters(), 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss(student, student, label=label).backward()
        optimizer.step()
    shares = [[(label[true == y] == k).float().mean() for k in range(2)] for y in range(2)]
    torch.testing.assert_close(loss.transition.detach(), torch.tensor(shares), atol=0.005, rtol=0)


def test_the_squared_error_beside_it_takes_a_classifiers_logits():
    student, teacher = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 5.0]])
    assert LogitsMSELoss()(student, teacher) == 5


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"num_classes": 1}, "num_classes=1. Give 2 or more"),
        ({"num_classes": 2, "initial_noise": 0.0}, r"initial_noise=0.0 must be above 0.*below 0.5"),
        ({"num_classes": 4, "initial_noise": 0.75}, r"initial_noise=0.75.*below 0.75.*Give 0.1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, cause):
    with pytest.raises(ValueError, match=cause):
        NoiseAdaptationLoss(**arguments)


@pytest.mark.parametrize(
    ("logits", "label", "cause"),
    [
        (torch.zeros(2, 3), torch.zeros(2), r"\(2, 3\), 3 classes, but NoiseAdaptationLoss has num_classes=2"),
        (torch.zeros(2, 2), torch.zeros(2, 2), r"label has shape \(2, 2\).*argmax"),
        (torch.zeros(2, 2), torch.zeros(3), r"label has shape \(3, 1\)"),
    ],
    ids=["classes", "one-hot", "batch"],
)
def test_what_does_not_fit_is_refused(logits, label, cause):
    with pytest.raises(ValueError, match=cause):
        NoiseAdaptationLoss(2)(logits, logits, label=label)
