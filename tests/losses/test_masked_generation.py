# SPDX-License-Identifier: Apache-2.0
from itertools import product

import pytest
import torch

from monai_kd import Pathway
from monai_kd.losses import MaskedGenerationLoss
from monai_kd.networks import ChannelAdapter
from tests.loss_contract import LossContract


def convolve(image, weight, bias):
    """A 3×3 convolution with zero padding, by plain loops over lists."""
    height, width = len(image[0]), len(image[0][0])
    output = [[[bias[o] for _ in range(width)] for _ in range(height)] for o in range(len(weight))]
    for o, c, h, w, i, j in product(
        range(len(weight)), range(len(image)), range(height), range(width), range(3), range(3)
    ):
        if 0 <= h + i - 1 < height and 0 <= w + j - 1 < width:
            output[o][h][w] += weight[o][c][i][j] * image[c][h + i - 1][w + j - 1]
    return output


class TestMaskedGeneration(LossContract):
    takes_vectors = False
    # The generator is between student and teacher, so equal features do not give the minimum.
    least_when_equal = False
    # Its convolutions see the image's border, and every position draws its own mask.
    size_independent = False
    # Every sample draws its own mask.
    batch_independent = False

    def make_loss(self, **arguments):
        torch.manual_seed(0)
        return MaskedGenerationLoss(**{"spatial_dims": 2, "channels": 3, **arguments})

    def compare(self, loss, student, teacher):
        if student.ndim == 5:
            loss = self.make_loss(spatial_dims=3)
        torch.manual_seed(1)  # the same masks at every call
        return (loss.double() if student.dtype == torch.float64 else loss)(student, teacher)

    @pytest.mark.parametrize("summed", [False, True])
    def test_equation_by_plain_loops(self, summed):
        student, teacher = self.pair(side=4, dtype=torch.float64)
        loss = self.make_loss(hidden_channels=2, summed=summed)
        value = self.compare(loss, student, teacher)
        torch.manual_seed(1)
        draw = torch.rand(2, 1, 4, 4).tolist()
        first, second = ([p.tolist() for p in layer.parameters()] for layer in (loss.generator[0], loss.generator[2]))
        total = 0.0
        for n in range(2):
            masked = [
                [[student[n, c, h, w].item() * (draw[n][0][h][w] >= 0.75) for w in range(4)] for h in range(4)]
                for c in range(3)
            ]
            hidden = [[[max(0.0, x) for x in row] for row in plane] for plane in convolve(masked, *first)]
            made = convolve(hidden, *second)
            total += sum(
                (made[c][h][w] - teacher[n, c, h, w].item()) ** 2 for c, h, w in product(range(3), range(4), range(4))
            )
        expected = torch.tensor(total / (2 if summed else teacher.numel()), dtype=torch.float64)
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_weight_of_the_sum_converts_as_documented(spatial_dims):
    shape = (2, 3, *[5] * spatial_dims)
    student, teacher = torch.randn(shape), torch.randn(shape)
    values = []
    for summed in (False, True):
        torch.manual_seed(0)
        values.append(MaskedGenerationLoss(spatial_dims, 3, summed=summed)(student, teacher))
    torch.testing.assert_close(values[0] * 3 * 5**spatial_dims, values[1])


def kept(loss, shape):
    """Where the student's feature reached the generator."""
    seen = []
    loss.generator.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    loss(torch.ones(shape), torch.zeros(shape))
    return seen[0]


@pytest.mark.parametrize("ratio", [0.25, 0.75])
def test_that_share_of_positions_is_masked_in_all_channels_alike(ratio):
    torch.manual_seed(0)
    mask = kept(MaskedGenerationLoss(2, 3, ratio=ratio), (4, 3, 50, 50))
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(mask, mask[:, :1].expand(-1, 3, -1, -1))
    assert abs((1 - mask).mean().item() - ratio) < 0.02
    assert not torch.equal(mask[0], mask[1])


def test_masks_change_from_call_to_call_and_repeat_with_the_seed():
    loss, pair = MaskedGenerationLoss(2, 3), (torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8))
    torch.manual_seed(3)
    first, second = loss(*pair), loss(*pair)
    torch.manual_seed(3)
    assert first != second
    assert torch.equal(loss(*pair), first)


def test_nothing_is_masked_in_evaluation_mode():
    loss = MaskedGenerationLoss(2, 3).eval()
    assert kept(loss, (1, 3, 8, 8)).min() == 1
    student, teacher = torch.randn(2, 3, 6, 6), torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(loss(student.repeat(3, 1, 1, 1), teacher.repeat(3, 1, 1, 1)), loss(student, teacher))


def test_a_student_without_its_masked_positions_can_learn_to_generate():
    torch.manual_seed(0)
    teacher = torch.nn.functional.avg_pool2d(torch.randn(2, 4, 18, 18), 3, stride=1)
    student = torch.zeros_like(teacher, requires_grad=True)
    loss = MaskedGenerationLoss(2, 4)
    optimizer = torch.optim.Adam([student, *loss.parameters()], 0.03)
    values = []
    for _ in range(150):
        optimizer.zero_grad()
        values.append(loss(student, teacher))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.6 * teacher.pow(2).mean()


def test_generator_is_trained_with_the_pathway():
    pathway = Pathway(MaskedGenerationLoss(2, 6), "a", student_adapter=ChannelAdapter(2, 3, 6))
    pathway({"a": torch.randn(2, 3, 8, 8)}, {"a": torch.randn(2, 6, 8, 8)}, {}).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pathway.parameters())


@pytest.mark.parametrize("value", [0.0, 1e4])
def test_constant_features_have_finite_gradients(value):
    student = torch.full((2, 3, 6, 6), value, requires_grad=True)
    MaskedGenerationLoss(2, 3)(student, torch.full((2, 3, 6, 6), value)).backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ValueError, match=rf"ratio must be at least 0 and below 1, got {ratio}.*0\.75"):
        MaskedGenerationLoss(2, 3, ratio=ratio)


def test_other_channels_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"channels=4\) got features of shape \(1, 3, 4, 4\)\. Set channels to 3"):
        MaskedGenerationLoss(2, 4)(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
