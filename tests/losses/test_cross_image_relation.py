# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd.losses import CrossImageRelationLoss
from tests.loss_contract import LossContract


def unit(vector):
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def distribution(cosines, temperature):
    exponentials = [math.exp(cosine / temperature) for cosine in cosines]
    return [value / sum(exponentials) for value in exponentials]


def by_plain_loops(student, teacher, temperature):
    """The loss of features on one grid, without pooling."""
    s, t = ([[unit(v) for v in image.flatten(1).T.tolist()] for image in feature] for feature in (student, teacher))
    terms = []
    for i, j in product(range(len(s)), repeat=2):
        for pixel in range(len(s[i])):
            q, p = (
                distribution([sum(x * y for x, y in zip(f[i][pixel], v, strict=True)) for v in f[j]], temperature)
                for f in (s, t)
            )
            terms.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    return torch.tensor(sum(terms) / len(terms), dtype=torch.float64)


class TestCrossImageRelation(LossContract):
    scale_free = True
    takes_vectors = False

    def make_loss(self):
        # Room for every position of these small maps, tiled ones too: pooling is tested below.
        return CrossImageRelationLoss(temperature=0.5, max_positions=400)

    @pytest.mark.parametrize(("spatial_dims", "side"), [(2, 5), (3, 3)])
    def test_equation_by_plain_loops(self, spatial_dims, side):
        student, teacher = self.pair(spatial_dims, side=side, dtype=torch.float64)
        teacher = torch.cat([teacher, student.roll(1, 2)], dim=1)  # the teacher has more channels
        torch.testing.assert_close(self.make_loss()(student, teacher), by_plain_loops(student, teacher, 0.5))

    def test_lengths_of_the_vectors_and_a_rotation_change_nothing(self):
        student, teacher = self.pair(dtype=torch.float64)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        lengths = torch.rand(2, 1, 6, 6, dtype=torch.float64) + 0.1
        rotated = torch.einsum("mn,bnhw->bmhw", rotation, lengths * student)
        torch.testing.assert_close(self.make_loss()(rotated, teacher), self.make_loss()(student, teacher))

    def test_moving_the_pixels_of_an_image_changes_nothing(self):
        student, teacher = (tensor.flatten(2) for tensor in self.pair(dtype=torch.float64))
        order = torch.randperm(36)
        moved = [torch.stack([f[0], f[1][:, order]]).reshape(2, 3, 6, 6) for f in (student, teacher)]
        expected = self.make_loss()(student.reshape(2, 3, 6, 6), teacher.reshape(2, 3, 6, 6))
        torch.testing.assert_close(self.make_loss()(*moved), expected)

    def test_relations_between_images_count(self):
        student, teacher = self.pair(dtype=torch.float64)
        flipped = torch.cat([student[:1], -student[1:]])  # changes no cosine within an image
        alone = [self.make_loss()(s[1:], teacher[1:]) for s in (student, flipped)]
        together = [self.make_loss()(s, teacher) for s in (student, flipped)]
        torch.testing.assert_close(alone[0], alone[1])
        assert not together[0].isclose(together[1])

    def test_pooled_to_the_coarser_grid_by_averages(self):
        student, teacher = torch.randn(2, 3, 8, 12), torch.randn(2, 5, 4, 24)
        means = [student.reshape(2, 3, 4, 2, 6, 2).mean((3, 5)), teacher.reshape(2, 5, 4, 1, 6, 4).mean((3, 5))]
        value = CrossImageRelationLoss(max_positions=36)(student, teacher)
        torch.testing.assert_close(value, CrossImageRelationLoss()(*means))

    def test_memory_is_bounded_by_the_grid(self):
        student, teacher = torch.randn(16, 2, 224, 224, requires_grad=True), torch.randn(16, 2, 224, 224)
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
            CrossImageRelationLoss()(student, teacher).backward()
        assert max(saved) <= (16 * 144) ** 2
        assert student.grad.isfinite().all()

    @pytest.mark.parametrize("fill", [0.0, 1.0])
    def test_constant_features_give_finite_gradients(self, fill):
        student = torch.full((2, 3, 4, 4), fill, requires_grad=True)
        value = self.make_loss()(student, torch.randn(2, 3, 4, 4))
        value.backward()
        assert value.isfinite() and student.grad.isfinite().all() and student.grad.abs().max() < 10


@pytest.mark.parametrize(
    ("student", "teacher", "message"),
    [
        ((2, 3, 4, 4), (1, 3, 4, 4), r"\(2, 3, 4, 4\).*\(1, 3, 4, 4\).*same batch"),
        ((2, 3, 4, 4), (2, 3, 4), r"\(2, 3, 4, 4\).*\(2, 3, 4\).*output is an image"),
        ((2, 3, 4, 4), (2, 1, 4, 4), r"\(2, 1, 4, 4\).*layers of more channels"),
        ((2, 3, 4, 4), (2, 3, 1, 1), r"\(2, 3, 1, 1\).*one position.*higher resolution"),
    ],
)
def test_what_cannot_be_related_is_refused_with_the_remedy(student, teacher, message):
    with pytest.raises(ValueError, match=message):
        CrossImageRelationLoss()(torch.zeros(student), torch.zeros(teacher))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"temperature": 0.0}, r"temperature must be above 0, got 0.0"), ({"max_positions": 7}, r"8 or more, got 7")],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CrossImageRelationLoss(**arguments)
