# SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from monai_kd.losses import IntraClassVariationLoss
from tests.losses.class_loss_contract import ClassLossContract, cosine, label_of


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


class TestIntraClassVariation(ClassLossContract):
    loss_class = IntraClassVariationLoss

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher, label = self.pair_with_label(spatial_dims, side=4, dtype=torch.float64)
        expected = by_plain_loops(student, teacher, label)
        torch.testing.assert_close(self.make_loss()(student, teacher, label=label), expected)

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

    @pytest.mark.parametrize("finer", ["student", "teacher"])
    def test_any_channels_and_resolutions(self, finer):
        small, large = torch.randn(2, 4, 2, 2), torch.randn(2, 9, 4, 4)
        label = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        label[..., 4:] = 1
        pair = (large, small) if finer == "student" else (small, large)
        blocks = [large[:, :, i::2, j::2] for i in range(2) for j in range(2)]
        expected = by_plain_loops(small, sum(blocks) / 4, label[..., ::4, ::4])
        torch.testing.assert_close(IntraClassVariationLoss(num_classes=2)(*pair, label=label), expected.float())
