# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.losses.trajectory import TrajectoryLoss
from tests.helpers import assert_identical


def gradients(steps=6, samples=4, length=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (steps, 2, samples, length)
    return torch.randn(shape, generator=generator, dtype=torch.double)


def plain_loop(history, momentum=0.95, energy=0.98, refills=1, size=4):
    """The published algorithm with lists and loops; the values of all steps."""
    length = history.shape[-1]
    averages = {(side, kind): [0.0] * length for side in (0, 1) for kind in ("mean", "variance")}
    banks, projectors = {"mean": [], "variance": []}, {"mean": torch.eye(length).double()}
    projectors["variance"], values, pushed = projectors["mean"], [], 0
    for step in history:
        for side in (0, 1):
            samples = step[side].tolist()
            mean = [sum(g[i] for g in samples) / len(samples) for i in range(length)]
            variance = [sum((g[i] - mean[i]) ** 2 for g in samples) / len(samples) for i in range(length)]
            for kind, now in (("mean", mean), ("variance", variance)):
                old = averages[side, kind]
                averages[side, kind] = [momentum * a + (1 - momentum) * b for a, b in zip(old, now, strict=True)]
        pushed, value = pushed + 1, 0.0
        for kind, bank in banks.items():
            bank.append(averages[1, kind])
            if pushed % (size * refills) == 0:
                u, s, _ = torch.linalg.svd(torch.tensor(bank[-size:], dtype=torch.double).T)
                rank = next(r for r in range(1, size + 1) if (s[:r] ** 2).sum() >= energy * (s**2).sum())
                projectors[kind] = u[:, :rank] @ u[:, :rank].T
            sides = [projectors[kind] @ torch.tensor(averages[side, kind]).double() for side in (0, 1)]
            value += sum((a - b) ** 2 for a, b in zip(*(side.tolist() for side in sides), strict=True)) / length
        values.append(value)
    return values


@pytest.mark.parametrize("arguments", [{}, {"momentum": 0.5}, {"energy": 0.7}, {"refills": 2}])
def test_equals_the_published_algorithm_in_plain_loops(arguments):
    history = gradients(steps=10)
    loss = TrajectoryLoss(5, **{"refills": 1, **arguments})
    values = [loss(*step).item() for step in history]
    assert values == pytest.approx(plain_loop(history, **arguments), rel=1e-4, abs=1e-9)


def test_zero_and_flat_where_both_domains_do_the_same():
    student = gradients()[0, 0].requires_grad_()
    value = TrajectoryLoss(5)(student, student.detach().clone())
    value.backward()
    assert value == 0 and not student.grad.any()


@pytest.mark.parametrize("both_ways", [False, True])
def test_the_teacher_is_detached_unless_told(both_ways):
    student, teacher = (x.clone().requires_grad_() for x in gradients()[0])
    TrajectoryLoss(5, both_ways=both_ways)(student, teacher).backward()
    assert student.grad.any() and (teacher.grad is not None) == both_ways


def test_gradient_is_right_in_every_state():
    loss = TrajectoryLoss(5, refills=1, momentum=0.5)
    for step in gradients(steps=6):
        state = {k: v.clone() for k, v in loss.state_dict().items()}
        student = step[0].clone().requires_grad_()

        def value(x, state=state, teacher=step[1]):
            loss.load_state_dict(state)
            return loss(x, teacher)

        # The averages are kept in single precision.
        assert torch.autograd.gradcheck(value, student, eps=1e-4, atol=1e-4, rtol=1e-3)
        loss(*step)


def test_does_not_depend_on_the_number_of_samples():
    student, teacher = gradients()[0]
    value = TrajectoryLoss(5)(student, teacher)
    torch.testing.assert_close(TrajectoryLoss(5)(student.repeat(3, 1), teacher.repeat(2, 1)), value)


def test_following_the_loss_lowers_the_distance():
    torch.manual_seed(0)
    student, (_, teacher) = torch.nn.Parameter(torch.randn(4, 5) + 1), gradients()[0].float()
    loss, optimizer = TrajectoryLoss(5, refills=100), torch.optim.SGD([student], 2.0)
    distances = []
    for _ in range(120):
        optimizer.zero_grad()
        loss(student, teacher).mul(100).backward()
        optimizer.step()
        distances.append((student.mean(0) - teacher.mean(0)).norm().item())
    assert distances[-1] < 0.2 * distances[0]


def test_saved_and_loaded_it_goes_on_alike():
    history = gradients(steps=9).float()
    whole, first, second = (TrajectoryLoss(5, refills=1) for _ in range(3))
    values = [whole(*step) for step in history]
    for step in history[:5]:
        first(*step)
    second.load_state_dict(first.state_dict())
    assert_identical([second(*step) for step in history[5:]], values[5:])


@pytest.mark.parametrize(
    ("student", "match"),
    [((4, 6), r"student gradients have shape \(4, 6\)"), ((0, 5), r"\(0, 5\)"), ((4, 5, 1), r"\(4, 5, 1\)")],
)
def test_gradients_of_another_shape_are_refused(student, match):
    with pytest.raises(ValueError, match=match):
        TrajectoryLoss(5)(torch.zeros(student), torch.zeros(4, 5))


def test_a_momentum_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"momentum=1 must be from 0 to below 1"):
        TrajectoryLoss(5, momentum=1)
