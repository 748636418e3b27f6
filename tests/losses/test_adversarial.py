# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from monai.losses import PatchAdversarialLoss
from torch import nn

from monai_kd.losses.adversarial import class_loss, gradient_penalty, hinge_loss, realness_loss, wasserstein_loss


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def flat(tensor):
    return tensor.flatten().tolist()


@pytest.mark.parametrize("shape", [(3, 1), (2, 1, 3, 4), (2, 1, 2, 3, 2)])
def test_objectives_are_their_equations(shape):
    real, fake = normal(*shape), normal(*shape, seed=1)
    count = real.numel()
    wasserstein = sum(flat(fake)) / count - sum(flat(real)) / count
    hinge = sum(max(0, 1 - r) for r in flat(real)) / count + sum(max(0, 1 + f) for f in flat(fake)) / count
    truth = sum(math.log(1 + math.exp(-r)) for r in flat(real)) / count
    lie = sum(math.log(1 + math.exp(f)) for f in flat(fake)) / count
    assert wasserstein_loss(real, fake).item() == pytest.approx(wasserstein)
    assert hinge_loss(real, fake).item() == pytest.approx(hinge)
    assert realness_loss(real, real=True).item() == pytest.approx(truth)
    assert realness_loss(fake, real=False).item() == pytest.approx(lie)


@pytest.mark.parametrize("real", [True, False])
def test_realness_is_monais_cross_entropy_where_that_has_a_gradient(real):
    answer = normal(2, 1, 4, 4, dtype=torch.float32)
    monais = PatchAdversarialLoss(criterion="bce")(answer, real, for_discriminator=True)
    torch.testing.assert_close(realness_loss(answer, real), monais)
    sure = torch.tensor([[30.0]], requires_grad=True)  # the discriminator takes a fake for real
    realness_loss(sure, real=False).backward()
    assert sure.grad.item() == pytest.approx(1)


@pytest.mark.parametrize("label", [torch.tensor([0, 2, 1]), torch.tensor([[0], [2], [1]])], ids=["B", "B1"])
def test_class_of_a_sample_is_cross_entropy(label):
    answer = normal(3, 4)
    torch.testing.assert_close(class_loss(answer, label), nn.functional.cross_entropy(answer, label.flatten()))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_classes_of_patches_are_their_shares(spatial_dims):
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(3, (2, 1, *[4] * spatial_dims), generator=generator)
    answer = normal(2, 3, *[2] * spatial_dims)
    expected, patches = 0.0, 0
    for sample in range(2):
        for place in torch.cartesian_prod(*[torch.arange(2)] * spatial_dims).tolist():
            log_p = answer[(sample, slice(None), *place)].log_softmax(0)
            inside = label[(sample, 0, *(slice(2 * i, 2 * i + 2) for i in place))].flatten().tolist()
            expected -= sum(log_p[k].item() for k in inside) / len(inside)
            patches += 1
    assert class_loss(answer, label).item() == pytest.approx(expected / patches)


def test_ignored_positions_count_for_nothing():
    answer, label = normal(1, 2, 1, 2), torch.tensor([[[[0, 255, 255, 255]]]])
    expected = -answer[0, :, 0, 0].log_softmax(0)[0]
    torch.testing.assert_close(class_loss(answer, label), expected)
    assert class_loss(answer, torch.full_like(label, 255)).item() == 0


def test_label_of_another_rank_is_refused():
    with pytest.raises(ValueError, match=r"label has shape \(2, 3, 4, 4\).*argmax"):
        class_loss(normal(2, 3, 2, 2), torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"label has shape"):
        class_loss(normal(2, 3), torch.zeros(2, 1, 4, 4))


def test_penalty_is_its_equation():
    real, fake, weight = normal(3, 2, 4), normal(3, 2, 4, seed=1), normal(2, 4, seed=2)
    torch.manual_seed(5)
    penalty = gradient_penalty(lambda x: (weight * x.square()).sum(dim=(1, 2)), real, fake)
    torch.manual_seed(5)
    share = torch.rand(3, 1, 1, dtype=torch.float64)
    expected = 0.0
    for sample in range(3):
        x = share[sample] * real[sample] + (1 - share[sample]) * fake[sample]
        expected += (math.sqrt(sum((2 * w * v) ** 2 for w, v in zip(flat(weight), flat(x), strict=True))) - 1) ** 2 / 3
    assert penalty.item() == pytest.approx(expected)


def test_penalty_trains_the_critic_and_nothing_else():
    real, fake = (normal(2, 3, seed=seed).requires_grad_() for seed in range(2))
    critic = nn.Linear(3, 1).double()
    gradient_penalty(critic, real, fake).backward()
    assert critic.weight.grad.abs().sum() > 0
    assert real.grad is None and fake.grad is None


def test_penalty_of_a_flat_critic_has_a_finite_gradient():
    critic = nn.Linear(3, 1)
    nn.init.zeros_(critic.weight)
    penalty = gradient_penalty(critic, torch.zeros(2, 3), torch.ones(2, 3))
    penalty.backward()
    assert penalty.item() == 1 and critic.weight.grad.isfinite().all()


def test_gradients_are_those_of_the_formulas():
    real, fake = (normal(3, 1, seed=seed).requires_grad_() for seed in range(2))
    for objective in (wasserstein_loss, hinge_loss):
        assert torch.autograd.gradcheck(objective, (real, fake))
    assert torch.autograd.gradcheck(lambda answer: realness_loss(answer, True), real)
    label = torch.tensor([0, 1, 1])
    assert torch.autograd.gradcheck(lambda answer: class_loss(answer, label), normal(3, 2).requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    real, fake = (100 * normal(4, 1, seed=seed, dtype=dtype) for seed in range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for objective in (wasserstein_loss, hinge_loss):
            value = objective(real, fake)
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, objective(real.float(), fake.float()))
        assert realness_loss(real, True).dtype == torch.float32
        assert gradient_penalty(lambda x: 300 * x.sum(1), real, fake).isfinite()
