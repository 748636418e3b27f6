# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
import torch.nn.functional as F

from monai_kd.losses import LogitsBCELoss, SoftLabelBCELoss
from tests.loss_contract import LossContract


def classes(logits):
    """A label that is repeated with the logits."""
    return (logits[:, :1] > 0).long() + (logits[:, :1] > 1).long()


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


class TestSomeLabelled(LossContract):
    hears_teacher = False
    ignored_is_absent = False  # the teacher is the target at these positions
    least_when_equal = False  # the minimum is at the label

    def make_loss(self):
        return SoftLabelBCELoss()

    def compare(self, loss, student, teacher):
        has_label = torch.arange(len(student)) % 2
        return loss(student, teacher, label=classes(teacher), has_label=has_label)

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(batch=3, side=2, dtype=torch.float64)
        label, has_label, terms = classes(teacher), [1, 0, 1], []
        for index in torch.cartesian_prod(*(torch.arange(n) for n in student.shape)).tolist():
            sample, channel, *position = index
            p = sigmoid(student[tuple(index)].item())
            labelled = float(label[(sample, 0, *position)].item() == channel)
            q = labelled if has_label[sample] else sigmoid(teacher[tuple(index)].item())
            terms.append(-(q * math.log(p) + (1 - q) * math.log(1 - p)))
        value = self.make_loss()(student, teacher, label=label, has_label=torch.tensor(has_label))
        torch.testing.assert_close(value, torch.tensor(sum(terms) / len(terms), dtype=torch.float64))


class TestNoneLabelledSoftmax(LossContract):
    hears_teacher = False  # ``call`` gives every sample a label
    ignored_is_absent = False  # as above

    def make_loss(self):
        return SoftLabelBCELoss(softmax=True)

    def compare(self, loss, student, teacher):
        return loss(student, teacher, label=classes(teacher), has_label=torch.zeros(len(student)))


SHAPES = [(4, 1), (4, 2), (4, 3), (4, 1, 5, 3), (4, 2, 5, 3), (4, 3, 5, 3, 2)]


def case(shape):
    generator = torch.Generator().manual_seed(len(shape))
    student, teacher = (torch.randn(shape, generator=generator) for _ in range(2))
    label = torch.randint(max(2, shape[1]), (shape[0], 1, *shape[2:]), generator=generator)
    return student, teacher, label


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("softmax", [False, True])
def test_all_labelled_is_cross_entropy_of_the_labels_and_none_that_of_the_teacher(shape, softmax):
    if softmax and shape[1] == 1:
        pytest.skip("one channel has no softmax")
    student, teacher, label = case(shape)
    loss = SoftLabelBCELoss(softmax)
    one_hot = label if shape[1] == 1 else torch.cat([label == c for c in range(shape[1])], dim=1)
    probabilities = student.softmax(1) if softmax else student.sigmoid()
    torch.testing.assert_close(
        loss(student, teacher, label=label, has_label=torch.ones(4)),
        F.binary_cross_entropy(probabilities, one_hot.float()),
    )
    torch.testing.assert_close(
        loss(student, teacher, label=label, has_label=torch.zeros(4)), LogitsBCELoss(softmax=softmax)(student, teacher)
    )


def test_mixed_is_the_mean_of_both_parts():
    student, teacher, label = case((4, 2, 5, 3))
    has_label, loss = torch.tensor([True, False, True, False]), SoftLabelBCELoss(softmax=True)
    parts = [
        loss(student[s], teacher[s], label=label[s], has_label=has_label[s]) for s in (slice(0, 4, 2), slice(1, 4, 2))
    ]
    torch.testing.assert_close(loss(student, teacher, label=label, has_label=has_label), sum(parts) / 2)


@pytest.mark.parametrize("absent", [0.0, -1.0, 255.0, float("nan")])
def test_label_of_an_unlabelled_sample_is_not_read(absent):
    student, teacher, label = case((4, 2, 5, 3))
    student.requires_grad_()
    has_label = torch.tensor([1, 0, 1, 0])
    blank = label.float()
    blank[has_label == 0] = absent
    loss = SoftLabelBCELoss(softmax=True)
    values = [loss(student, teacher, label=given, has_label=has_label) for given in (label, blank)]
    assert torch.equal(*values)
    assert torch.equal(*(torch.autograd.grad(value, student)[0] for value in values))


def test_position_without_a_class_takes_the_teacher():
    student, teacher, label = case((4, 2, 5, 3))
    everywhere, loss = torch.ones(4), SoftLabelBCELoss()
    value = loss(student, teacher, label=torch.full_like(label, 255), has_label=everywhere)
    torch.testing.assert_close(value, LogitsBCELoss()(student, teacher))


def test_classification_takes_labels_with_and_without_channel():
    student, teacher, label = case((4, 1))
    loss, has_label = SoftLabelBCELoss(), torch.tensor([[1], [0], [1], [1]])
    values = [loss(student, teacher, label=given, has_label=has_label) for given in (label, label[:, 0])]
    assert torch.equal(*values)


def test_one_number_for_each_logit():
    student, teacher, _ = case((4, 3))
    label = torch.rand(4, 3)
    value = SoftLabelBCELoss()(student, teacher, label=label, has_label=torch.ones(4))
    torch.testing.assert_close(value, F.binary_cross_entropy_with_logits(student, label))


def test_what_does_not_fit_is_refused():
    student, teacher, label = case((4, 2, 5, 3))
    with pytest.raises(ValueError, match=r"label has shape \(4, 5, 3\).*\(4, 1, 5, 3\)"):
        SoftLabelBCELoss()(student, teacher, label=label[:, 0], has_label=torch.ones(4))
    with pytest.raises(ValueError, match=r"has_label has shape \(3,\).*each of the 4 samples.*PooledDataset"):
        SoftLabelBCELoss()(student, teacher, label=label, has_label=torch.ones(3))
    with pytest.raises(ValueError, match=r"one channel.*sigmoid head"):
        SoftLabelBCELoss(softmax=True)(student[:, :1], teacher[:, :1], label=label, has_label=torch.ones(4))
