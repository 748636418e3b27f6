# SPDX-License-Identifier: Apache-2.0
from itertools import product

import pytest
import torch

from monai_kd import Pathway
from monai_kd.losses import FlowOfSolutionLoss
from tests.loss_contract import LossContract


def layers_of(feature):
    """Three layers cut out of one feature: the second is coarser, the third has fewer channels."""
    return [feature, feature[:, :, ::3, ::3].flip(1), feature[:, :2]]


def pool(feature, size, most):
    """Maximum over blocks of positions, whose sides divide the map."""
    steps = [side // small for side, small in zip(feature.shape[1:], size, strict=True)]
    pooled = torch.empty(len(feature), *size, dtype=feature.dtype)
    for place in product(*map(range, size)):
        block = feature[(..., *(slice(i * k, (i + 1) * k) for i, k in zip(place, steps, strict=True)))].flatten(1)
        pooled[(..., *place)] = block.amax(1) if most else block.mean(1)
    return pooled.flatten(1).tolist()


def flow(first, second, most):
    """The matrix of one sample, by plain loops."""
    size = [min(sides) for sides in zip(first.shape[1:], second.shape[1:], strict=True)]
    first, second = pool(first, size, most), pool(second, size, most)
    return [[sum(a * b for a, b in zip(f, g, strict=True)) / len(f) for g in second] for f in first]


def by_plain_loops(student, teacher, most, summed):
    terms = []
    for n, i in product(range(len(student[0])), range(len(student) - 1)):
        s, t = (flow(layers[i][n], layers[i + 1][n], most) for layers in (student, teacher))
        squares = [(a - b) ** 2 for u, v in zip(s, t, strict=True) for a, b in zip(u, v, strict=True)]
        terms.append(sum(squares) if summed else sum(squares) / len(squares))
    return torch.tensor(sum(terms) / len(terms), dtype=torch.float64)


class TestFlowOfSolution(LossContract):
    takes_vectors = False
    layers = 2

    def make_loss(self):
        return FlowOfSolutionLoss()

    def compare(self, loss, student, teacher):
        return loss(layers_of(student), layers_of(teacher))

    @pytest.mark.parametrize("spatial_dims", [2, 3])
    @pytest.mark.parametrize(("max_pool", "sum_entries"), [(True, False), (False, True)])
    def test_equation_by_plain_loops(self, spatial_dims, max_pool, sum_entries):
        student, teacher = (layers_of(x) for x in self.pair(spatial_dims, dtype=torch.float64))
        expected = by_plain_loops(student, teacher, max_pool, sum_entries)
        torch.testing.assert_close(FlowOfSolutionLoss(max_pool, sum_entries)(student, teacher), expected)

    def test_where_channels_answer_together_changes_nothing(self):
        student, teacher = ([x, x.cos()] for x in self.pair(dtype=torch.float64))
        moved = [x.flip(2).roll(2, dims=3) for x in student]
        torch.testing.assert_close(self.make_loss()(moved, teacher), self.make_loss()(student, teacher))

    def test_student_and_teacher_may_differ_in_resolution(self):
        student, teacher = ([x, x.cos()] for x in self.pair(dtype=torch.float64))
        fine = [x.repeat_interleave(2, dim=2).repeat_interleave(3, dim=3) for x in teacher]
        torch.testing.assert_close(self.make_loss()(student, fine), self.make_loss()(student, teacher))

    def test_as_a_pathway_it_takes_all_layers_at_once(self):
        student, teacher = (layers_of(x) for x in self.pair())
        features = [dict(zip("abc", layers, strict=True)) for layers in (student, teacher)]
        value = Pathway(self.make_loss(), ["a", "b", "c"], weight=3.0)(*features, {})
        torch.testing.assert_close(value, 3 * self.make_loss()(student, teacher))

    @pytest.mark.parametrize("fill", [0.0, 1.0])
    def test_constant_features_give_finite_gradients(self, fill):
        student = torch.full((2, 3, 6, 6), fill, requires_grad=True)
        value = self.compare(self.make_loss(), student, torch.randn(2, 3, 6, 6))
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all()


@pytest.mark.parametrize(
    ("student", "teacher", "message"),
    [
        ([(2, 3, 4, 4)], [(2, 3, 4, 4)], "1 of the student and 1 of the teacher.*two layers or more"),
        ([(2, 3, 4, 4)] * 2, [(2, 3, 4, 4)] * 3, "2 of the student and 3 of the teacher.*same length"),
        (
            [(2, 3, 4, 4), (2, 4, 4, 4)],
            [(2, 3, 4, 4), (2, 9, 4, 4)],
            r"layer 1.*\(2, 4, 4, 4\).*\(2, 9, 4, 4\).*ChannelAdapter\(spatial_dims=2, in_channels=4, out_channels=9\)",
        ),
        ([(2, 3, 4, 4)] * 2, [(1, 3, 4, 4)] * 2, r"layer 0.*\(2, 3, 4, 4\).*\(1, 3, 4, 4\).*same batch"),
        ([(2, 3)] * 2, [(2, 3)] * 2, r"layer 0.*\(2, 3\).*output is an image"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_remedy(student, teacher, message):
    student, teacher = ([torch.zeros(shape) for shape in shapes] for shapes in (student, teacher))
    with pytest.raises(ValueError, match=message):
        FlowOfSolutionLoss()(student, teacher)
