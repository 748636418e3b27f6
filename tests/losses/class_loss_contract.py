# SPDX-License-Identifier: Apache-2.0
"""What every loss of feature vectors by the classes of the label keeps to, beside ``LossContract``."""

import math

import pytest
import torch

from tests.loss_contract import LossContract


def label_of(teacher):
    """Three classes, of the teacher's own values, so that it is tiled and repeated as they are."""
    values = teacher.detach()[:, :1]
    return (values > -0.4).float() + (values > 0.4).float()


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


class ClassLossContract(LossContract):
    """A subclass names its ``loss_class``."""

    loss_class = None
    scale_free = True
    takes_vectors = False

    def make_loss(self):
        return self.loss_class(num_classes=3)

    def compare(self, loss, student, teacher):
        return loss(student, teacher, label=label_of(teacher))

    def pair_with_label(self, *arguments, **named):
        """Student, teacher and label; the second sample lacks a class."""
        student, teacher = self.pair(*arguments, **named)
        label = label_of(teacher)
        label[1][label[1] == 2] = 1
        return student, teacher, label

    def test_length_and_rotation_of_the_vectors_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        rotated = 7 * torch.einsum("mn,bnhw->bmhw", rotation, student)
        value = self.compare(self.make_loss(), rotated, teacher)
        torch.testing.assert_close(value, self.compare(self.make_loss(), student, teacher))

    def test_a_value_that_is_no_class_counts_nothing(self):
        student, teacher = self.pair()
        label = label_of(teacher)
        label[..., 0] = 255
        other = student.clone()
        other[..., 0] = 1000.0
        loss = self.make_loss()
        assert torch.equal(loss(other, teacher, label=label), loss(student, teacher, label=label))

    @pytest.mark.parametrize("fill", [0.0, 1.0])
    def test_constant_features_give_finite_gradients(self, fill):
        student = torch.full((2, 3, 4, 4), fill, requires_grad=True)
        value = self.compare(self.make_loss(), student, torch.randn(2, 3, 4, 4))
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all() and student.grad.abs().max() < 10

    def test_one_class_is_refused(self):
        with pytest.raises(ValueError, match=r"num_classes=1. Give 2 or more, the background included"):
            self.loss_class(num_classes=1)

    @pytest.mark.parametrize(
        ("student", "teacher", "label", "message"),
        [
            ((2, 3, 4, 4), (1, 3, 4, 4), (2, 1, 4, 4), r"\(2, 3, 4, 4\).*\(1, 3, 4, 4\).*same batch"),
            ((2, 3, 4, 4), (2, 3, 4), (2, 1, 4, 4), r"\(2, 3, 4, 4\).*\(2, 3, 4\).*output is an image"),
            ((2, 1, 4, 4), (2, 3, 4, 4), (2, 1, 4, 4), r"\(2, 1, 4, 4\).*layers of more channels"),
            ((2, 3, 4, 4), (2, 3, 4, 4), (2, 2, 4, 4), r"label has shape \(2, 2, 4, 4\).*\(2, 1, ...\).*argmax"),
            ((2, 3, 4, 4), (2, 3, 4, 4), (2, 4, 4), r"label has shape \(2, 4, 4\)"),
        ],
    )
    def test_what_cannot_be_compared_is_refused_with_the_remedy(self, student, teacher, label, message):
        with pytest.raises(ValueError, match=message):
            self.loss_class(num_classes=2)(torch.zeros(student), torch.zeros(teacher), label=torch.zeros(label))
