# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn import functional

from monai_kd import Pathway
from monai_kd.losses import LogitsKLLoss
from monai_kd.losses.logits.divergence import softmax_divergence
from monai_kd.transforms.alignment import align, leave_out
from monai_kd.transforms.geometry import identity


def pair(classes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(classes)
    return (3 * torch.randn(2, classes, 3, 4, dtype=dtype, generator=generator) for _ in range(2))


def by_autograd(student, teacher):
    divergence = functional.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="none", log_target=True)
    return divergence.sum(1).mean()


@pytest.mark.parametrize("classes", [2, 5])
def test_value_and_both_derivatives_are_autograds(classes):
    student, teacher = pair(classes)
    student.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda s: softmax_divergence(s, teacher, 1), student)
    value, expected = softmax_divergence(student, teacher, 1), by_autograd(student, teacher)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (value, expected)))


@pytest.mark.parametrize("classes", [2, 5])
def test_several_students_at_once(classes):
    student, teacher = pair(classes)
    several = torch.stack([student, 2 * student, -student])
    derivative = torch.func.vmap(torch.func.grad(lambda s: softmax_divergence(s, teacher, 1)))(several)
    expected = [torch.func.grad(lambda s: by_autograd(s, teacher))(one) for one in several]
    torch.testing.assert_close(derivative, torch.stack(expected))


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 3, 8, 8), (2, 2, 6, 6, 6), (2, 2)])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_pathway_moves_the_teacher_as_align_and_leave_out_do(shape, temperature):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(shape, generator=generator) for _ in range(2))
    student.requires_grad_()
    dims = max(len(shape) - 2, 2)
    theta = identity(2, dims) + 0.3 * torch.randn(2, dims, dims + 1, generator=generator)
    batch = {"student_geometry": theta, "teacher_geometry": identity(2, dims)}
    value = Pathway(LogitsKLLoss(temperature))({"": student}, {"": teacher}, batch)
    expected = LogitsKLLoss(temperature)(*leave_out(student, align(teacher, theta), theta))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (value, expected)))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_subclass_compares_in_its_own_way(classes):
    class Squares(LogitsKLLoss):
        def compare(self, student, teacher):
            return (student - teacher).square().mean()

    student, teacher = (one.float() for one in pair(classes))
    unmoved = {"student_geometry": identity(2, 2), "teacher_geometry": identity(2, 2)}
    value = Pathway(Squares())({"": student}, {"": teacher}, unmoved)
    torch.testing.assert_close(value, (student - teacher).square().mean())
