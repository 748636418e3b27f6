# SPDX-License-Identifier: Apache-2.0
import math
from itertools import product

import pytest
import torch

from monai_kd import Pathway
from monai_kd.losses import ReviewLoss
from monai_kd.losses.features.review import _hierarchical_context
from tests.loss_contract import LossContract


def levels(tensor):
    """A shallow level and a smaller, deeper one."""
    inner = (slice(None), slice(None), *[slice(0, 3)] * (tensor.ndim - 2))
    return [tensor, tensor[inner] - 0.5]


class TestReview(LossContract):
    takes_vectors = False
    layers = 2
    # The fusion is between student and teacher, so equal features do not give the minimum.
    least_when_equal = False
    # The 3-wide convolutions see the image's border, and the pyramid's windows are shares of the image.
    size_independent = False

    def make_loss(self, spatial_dims=2):
        torch.manual_seed(0)
        return ReviewLoss(spatial_dims, [3, 3], [3, 3], mid_channels=2)

    def compare(self, loss, student, teacher):
        if student.ndim == 5:
            loss = self.make_loss(spatial_dims=3)
        loss = loss.double() if student.dtype == torch.float64 else loss
        return loss(levels(student), levels(teacher))

    def test_equation_by_plain_loops(self):
        student, teacher = self.pair(side=5, dtype=torch.float64)
        loss = self.make_loss()
        value = self.compare(loss, student, teacher)
        shallow, deep = loss.fusions
        samples = [tensor.tolist() for tensor in levels(student)]
        targets = [tensor.tolist() for tensor in levels(teacher)]
        below = normalized([convolve(x, deep.reduce[0]) for x in samples[1]])
        total = context(normalized([convolve(x, deep.expand[0]) for x in below]), targets[1])
        own = normalized([convolve(x, shallow.reduce[0]) for x in samples[0]])
        fused = [fuse(a, [nearest(plane, 5) for plane in b], shallow.attend) for a, b in zip(own, below, strict=True)]
        total += context(normalized([convolve(x, shallow.expand[0]) for x in fused]), targets[0])
        torch.testing.assert_close(value, torch.tensor(total, dtype=torch.float64))


def convolve(image, layer):
    """A convolution of odd width with zero padding, of a (C, H, W) list."""
    weight = layer.weight.tolist()
    bias = [0.0] * len(weight) if layer.bias is None else layer.bias.tolist()
    height, width, half = len(image[0]), len(image[0][0]), len(weight[0][0]) // 2
    output = [[[bias[o] for _ in range(width)] for _ in range(height)] for o in range(len(weight))]
    window = range(-half, half + 1)
    for o, c, h, w, i, j in product(range(len(weight)), range(len(image)), range(height), range(width), window, window):
        if 0 <= h + i < height and 0 <= w + j < width:
            output[o][h][w] += weight[o][c][i + half][j + half] * image[c][h + i][w + j]
    return output


def normalized(batch):
    """Scale each channel to mean 0 and variance 1 over the batch and all positions."""
    for c in range(len(batch[0])):
        values = [x for sample in batch for row in sample[c] for x in row]
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((x - mean) ** 2 for x in values) / len(values) + 1e-5)
        for sample in batch:
            sample[c] = [[(x - mean) / deviation for x in row] for row in sample[c]]
    return batch


def nearest(plane, side):
    return [[plane[h * len(plane) // side][w * len(plane[0]) // side] for w in range(side)] for h in range(side)]


def fuse(own, deeper, attend):
    weights = [[[1 / (1 + math.exp(-x)) for x in row] for row in plane] for plane in convolve(own + deeper, attend)]
    return [
        [[weights[0][h][w] * own[c][h][w] + weights[1][h][w] * deeper[c][h][w] for w in range(5)] for h in range(5)]
        for c in range(len(own))
    ]


def pooled(plane, size):
    """Averages over size × size windows that cover the plane."""
    side = len(plane)
    edges = [(i * side // size, -(-(i + 1) * side // size)) for i in range(size)]
    return [
        [sum(plane[h][w] for h in range(a, b) for w in range(c, d)) / ((b - a) * (d - c)) for c, d in edges]
        for a, b in edges
    ]


def context(student, teacher):
    def difference(size):
        values = []
        for n, c in product(range(len(student)), range(len(student[0]))):
            a, b = pooled(student[n][c], size), pooled(teacher[n][c], size)
            values += [(a[h][w] - b[h][w]) ** 2 for h, w in product(range(size), range(size))]
        return sum(values) / len(values)

    sizes = [len(student[0][0]), *(size for size in (4, 2, 1) if size < len(student[0][0]))]
    weights = [0.5**k for k in range(len(sizes))]
    return sum(w * difference(size) for w, size in zip(weights, sizes, strict=True)) / sum(weights)


@pytest.mark.parametrize("shape", [(9, 9), (3, 7), (1, 1), (6, 5, 8)])
def test_a_constant_difference_costs_its_square_at_every_scale(shape):
    feature = torch.randn(2, 3, *shape)
    torch.testing.assert_close(_hierarchical_context(feature + 3, feature), torch.tensor(9.0))


def test_a_difference_without_extent_costs_less_than_one_of_the_whole_image():
    board = torch.ones(1, 1, 8, 8)
    board[..., ::2, 1::2] = board[..., 1::2, ::2] = -1
    torch.testing.assert_close(
        _hierarchical_context(board, torch.zeros_like(board)), torch.tensor(1 / (1 + 0.5 + 0.25 + 0.125))
    )


def pyramid(channels, side, batch=2, spatial_dims=2):
    return [torch.randn(batch, c, *[side // 2**i] * spatial_dims, requires_grad=True) for i, c in enumerate(channels)]


def test_the_teachers_shallow_levels_teach_the_students_deep_ones_and_not_the_reverse():
    torch.manual_seed(0)
    loss, student, teacher = ReviewLoss(2, [2, 3, 4], [5, 6, 7]), pyramid([2, 3, 4], 16), pyramid([5, 6, 7], 16)
    for taught in range(3):
        moved = [t + 1.0 * (i == taught) * torch.randn_like(t) for i, t in enumerate(teacher)]
        gradients = torch.autograd.grad(loss(student, moved) - loss(student, teacher), student)
        assert [g.abs().sum().item() > 1e-6 for g in gradients] == [level >= taught for level in range(3)]


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize(("student_side", "teacher_side"), [(8, 8), (8, 16), (12, 8)])
def test_resolutions_may_differ_and_every_weight_is_trained(spatial_dims, student_side, teacher_side):
    student = pyramid([2, 3], student_side, spatial_dims=spatial_dims)
    teacher = pyramid([5, 4], teacher_side, spatial_dims=spatial_dims)
    pathway = Pathway(ReviewLoss(spatial_dims, [2, 3], [5, 4]), ["a", "b"], ["c", "d"])
    pathway(dict(zip("ab", student, strict=True)), dict(zip("cd", teacher, strict=True)), {}).backward()
    assert all(tensor.grad.abs().sum() > 0 for tensor in (*student, *pathway.loss.parameters()))
    assert all(tensor.grad is None for tensor in teacher)


def test_fused_channels_are_the_students_deepest_and_at_most_512():
    assert ReviewLoss(2, [2, 3], [4, 5]).fusions[0].reduce[0].out_channels == 3
    assert ReviewLoss(2, [600], [4]).fusions[0].reduce[0].out_channels == 512


@pytest.mark.parametrize("norm", ["instance", ("group", {"num_groups": 1})])
def test_with_a_norm_of_single_images_the_batch_does_not_matter(norm):
    loss = ReviewLoss(2, [2, 4], [6, 8], norm=norm)
    student, teacher = pyramid([2, 4], 8), pyramid([6, 8], 8)
    alone = [loss([s[n : n + 1] for s in student], [t[n : n + 1] for t in teacher]) for n in range(2)]
    torch.testing.assert_close(loss(student, teacher), torch.stack(alone).mean())


def test_a_constant_feature_has_a_finite_gradient():
    student = torch.zeros(2, 3, 6, 6, requires_grad=True)
    ReviewLoss(2, [3], [4])(student, torch.zeros(2, 4, 6, 6)).backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize(
    ("student", "teacher", "message"),
    [
        (
            [(2, 4, 4, 4), (2, 2, 8, 8)],
            [(2, 8, 4, 4), (2, 6, 8, 8)],
            r"\(student, teacher\) channels \[\(2, 6\), \(4, 8",
        ),
        ([(2, 2, 8, 8)], [(2, 6, 8, 8)], r"made for levels.*from shallow to deep"),
        ([(2, 2, 8, 8), (2, 4, 4, 4)], [(2, 6, 8, 8)], r"student has 2 layers and teacher 1"),
        ([(2, 2, 4, 4), (2, 4, 8, 8)], [(2, 6, 8, 8), (2, 8, 4, 4)], r"resolution grows\. Name the layers"),
        ([(2, 2, 8, 8), (2, 4, 4, 4)], [(2, 6, 4, 4), (2, 8, 4, 8)], r"resolution grows\. Name the layers"),
        ([(1, 2, 2, 2), (1, 4, 1, 1)], [(1, 6, 2, 2), (1, 8, 1, 1)], r"\(1, 4, 1, 1\): one value per.*batch of two"),
    ],
)
def test_levels_that_do_not_fit_are_refused(student, teacher, message):
    with pytest.raises(ValueError, match=message):
        ReviewLoss(2, [2, 4], [6, 8])([torch.zeros(s) for s in student], [torch.zeros(t) for t in teacher])


@pytest.mark.parametrize(("student", "teacher"), [([2, 4], [6]), ([], [])])
def test_channels_that_do_not_pair_up_are_refused(student, teacher):
    with pytest.raises(ValueError, match=r"one number for each level of both, from shallow to deep"):
        ReviewLoss(2, student, teacher)
