# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

import pytest
import torch

from monai_kd.losses import RegionAffinityLoss
from tests.losses.class_loss_contract import ClassLossContract, cosine, label_of


def region_means(feature, label, classes):
    """Mean vectors of one sample by plain loops; a sample is a list of positions, each a list of channels."""
    means = []
    for k in range(classes):
        members = [vector for vector, index in zip(feature, label, strict=True) if index == k]
        means.append([sum(values) / len(members) for values in zip(*members, strict=True)] if members else None)
    return means


def by_plain_loops(student, teacher, label, classes):
    terms = []
    for n in range(len(student)):
        index = label[n].flatten().tolist()
        s, t = (region_means(f[n].flatten(1).T.tolist(), index, classes) for f in (student, teacher))
        for j, k in combinations(range(classes), 2):
            if s[j] is not None and s[k] is not None:
                terms.append((cosine(s[j], s[k]) - cosine(t[j], t[k])) ** 2)
    return torch.tensor(sum(terms) / len(terms), dtype=torch.float64)


class TestRegionAffinity(ClassLossContract):
    loss_class = RegionAffinityLoss

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    def test_equation_by_plain_loops(self, spatial_dims):
        student, teacher, label = self.pair_with_label(spatial_dims, dtype=torch.float64)
        expected = by_plain_loops(student, teacher, label, 3)
        torch.testing.assert_close(self.make_loss()(student, teacher, label=label), expected)

    def test_where_a_vector_lies_in_its_region_changes_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        label = torch.zeros(2, 1, 6, 6)
        label[..., 3:, :] = 1
        moved = torch.cat([student[..., :3, :].flip(-1), student[..., 3:, :].roll(2, -1)], dim=-2)
        loss = self.make_loss()
        torch.testing.assert_close(loss(moved, teacher, label=label), loss(student, teacher, label=label))

    def test_a_sample_of_one_class_does_not_enter_the_mean(self):
        student, teacher = self.pair()
        label = label_of(teacher)
        label[1] = 0
        loss = self.make_loss()
        torch.testing.assert_close(loss(student, teacher, label=label), loss(student[:1], teacher[:1], label=label[:1]))

    def test_any_channels_and_resolutions(self):
        student, teacher = torch.randn(2, 4, 4, 4), torch.randn(2, 9, 2, 2)
        label = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        label[..., 4:] = 1
        loss = RegionAffinityLoss(num_classes=2)
        value = loss(student, teacher, label=label)
        fine = torch.nn.functional.interpolate(teacher, scale_factor=2.0, mode="nearest")
        expected = by_plain_loops(student, fine, label[..., ::2, ::2], 2)
        torch.testing.assert_close(value, expected.float())

    def test_a_region_that_vanishes_on_one_grid_is_skipped(self):
        label = torch.zeros(1, 1, 8, 8)
        label[..., 1, 1] = 1
        value = RegionAffinityLoss(num_classes=2)(torch.randn(1, 4, 8, 8), torch.randn(1, 4, 2, 2), label=label)
        assert value == 0

    def test_labels_of_one_class_alone_give_zero_and_no_gradient(self):
        student = torch.randn(2, 3, 4, 4, requires_grad=True)
        value = self.make_loss()(student, torch.randn(2, 3, 4, 4), label=torch.zeros(2, 1, 4, 4))
        value.backward()
        assert value == 0 and not student.grad.any()
