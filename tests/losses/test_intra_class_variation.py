# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from monai_kd.losses import IntraClassVariationLoss
from tests.loss_contract import LossContract


def label_of(teacher):
    """Three classes made from the teacher's values, so that they are tiled and repeated with it."""
    values = teacher.detach()[:, :1]
    return (values > -0.4).float() + (values > 0.4).float()


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def cosines(vectors, labels):
    """Cosine of each vector to the mean of its class, by plain loops."""
    values = []
    for vector, label in zip(vectors, labels, strict=True):
        members = [other for other, index in zip(vectors, labels, strict=True) if index == label]
        values.append(cosine(vector, [sum(column) / len(members) for column in zip(*members, strict=True)]))
    return values


def by_plain_loops(student, teacher, label):
    terms = []
    for n in range(len(student)):
        s, t = (cosines(f[n].flatten(1).T.tolist(), label[n].flatten().tolist()) for f in (student, teacher))
        terms += [(a - b) ** 2 for a, b in zip(s, t, strict=True)]
    return torch.tensor(sum(terms) / len(terms), dtype=torch.float64)


class TestIntraClassVariation(LossContract):
    scale_free = True
    takes_vectors = False

    def make_loss(self):
        return IntraClassVariationLoss(num_classes=3)

    def compare(self, loss, student, teacher):
        return loss(student, teacher, label=label_of(teacher))

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher = self.pair(spatial_dims, side=4, dtype=torch.float64)
        label = label_of(teacher)
        label[1][label[1] == 2] = 1  # the second sample lacks a class
        expected = by_plain_loops(student, teacher, label)
        torch.testing.assert_close(self.make_loss()(student, teacher, label=label), expected)

    def test_length_and_rotation_of_the_vectors_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        rotated = 7 * torch.einsum("mn,bnhw->bmhw", rotation, student)
        value = self.compare(self.make_loss(), rotated, teacher)
        torch.testing.assert_close(value, self.compare(self.make_loss(), student, teacher))

    def test_classes_that_never_occur_change_nothing(self):
        student, teacher = self.pair()
        label = label_of(teacher)
        values = [IntraClassVariationLoss(num_classes)(student, teacher, label=label) for num_classes in (3, 9)]
        torch.testing.assert_close(*values)

    def test_each_sample_has_its_own_means(self):
        student, teacher = self.pair()
        label = label_of(teacher)
        alone = [self.make_loss()(student[n : n + 1], teacher[n : n + 1], label=label[n : n + 1]) for n in range(2)]
        torch.testing.assert_close(self.make_loss()(student, teacher, label=label), sum(alone) / 2)

    def test_a_value_that_is_no_class_counts_nothing(self):
        student, teacher = self.pair()
        label = label_of(teacher)
        label[..., 0] = 255
        other = student.clone()
        other[..., 0] = 1000.0
        loss = self.make_loss()
        assert torch.equal(loss(other, teacher, label=label), loss(student, teacher, label=label))

    @pytest.mark.parametrize("finer", ["student", "teacher"])
    def test_any_channels_and_resolutions(self, finer):
        small, large = torch.randn(2, 4, 2, 2), torch.randn(2, 9, 4, 4)
        label = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        label[..., 4:] = 1
        pair = (large, small) if finer == "student" else (small, large)
        blocks = [large[:, :, i::2, j::2] for i in range(2) for j in range(2)]
        expected = by_plain_loops(small, sum(blocks) / 4, label[..., ::4, ::4])
        torch.testing.assert_close(IntraClassVariationLoss(num_classes=2)(*pair, label=label), expected.float())

    @pytest.mark.parametrize("fill", [0.0, 1.0])
    def test_constant_features_give_finite_gradients(self, fill):
        student = torch.full((2, 3, 4, 4), fill, requires_grad=True)
        value = self.compare(self.make_loss(), student, torch.randn(2, 3, 4, 4))
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all() and student.grad.abs().max() < 10


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"num_classes=1. Give 2 or more, the background included"):
        IntraClassVariationLoss(num_classes=1)


@pytest.mark.parametrize(
    ("student", "teacher", "label", "message"),
    [
        ((2, 3, 4, 4), (1, 3, 4, 4), (2, 1, 4, 4), r"\(2, 3, 4, 4\).*\(1, 3, 4, 4\).*same batch"),
        ((2, 1, 4, 4), (2, 3, 4, 4), (2, 1, 4, 4), r"\(2, 1, 4, 4\).*layers of more channels"),
        ((2, 3, 4, 4), (2, 3, 4, 4), (2, 2, 4, 4), r"label has shape \(2, 2, 4, 4\).*\(2, 1, ...\).*argmax"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_remedy(student, teacher, label, message):
    with pytest.raises(ValueError, match=message):
        IntraClassVariationLoss(num_classes=2)(torch.zeros(student), torch.zeros(teacher), label=torch.zeros(label))
