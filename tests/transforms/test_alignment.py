# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.transforms.alignment import align, alignment, leave_out
from monai_kd.transforms.geometry import compose, identity, inside, warp


def geometry(count=2, dims=2, seed=0):
    return identity(count, dims) + 0.15 * torch.randn(
        count, dims, dims + 1, generator=torch.Generator().manual_seed(seed)
    )


def waves(size, count=2):
    """Images smooth enough to be interpolated well."""
    axes = torch.meshgrid(*[torch.linspace(0, 3, side) for side in size], indexing="ij")
    return torch.stack([sum((axis + i).sin() for axis in axes) for i in range(count)])[:, None]


def test_one_geometry_needs_no_alignment():
    assert alignment({}) is None
    assert alignment({"student_geometry": identity(2, 2)}) is None
    student, teacher = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    assert align(teacher, None) is teacher
    assert leave_out(student, teacher, None) == (student, teacher)


@pytest.mark.parametrize("size", [(48, 64), (24, 32, 20)])
def test_the_teachers_view_becomes_the_students(size):
    source, dims = waves(size), len(size)
    views = {"student_geometry": geometry(dims=dims), "teacher_geometry": geometry(dims=dims, seed=1)}
    student, teacher = (warp(source, views[f"{who}_geometry"], padding_mode="border") for who in ("student", "teacher"))
    theta = alignment(views)
    seen = inside(theta, size) & inside(views["student_geometry"], size)
    assert 0.2 < seen.float().mean() < 1
    difference = (align(teacher, theta) - student)[seen].abs()
    assert difference.mean() < 0.005 and difference.max() < 0.1  # the most at the border, by half a pixel


def test_the_source_moved_is_the_students_view():
    source, theta = waves((48, 64)), geometry()
    views = {"student_geometry": theta, "teacher_geometry": identity(2, 2)}
    torch.testing.assert_close(align(source, alignment(views)), warp(source, theta, padding_mode="border"))


def test_a_coarse_feature_is_moved_at_its_own_resolution():
    views = {"student_geometry": geometry(), "teacher_geometry": geometry(seed=1)}
    fine, coarse = waves((48, 64)), waves((12, 16))
    moved = torch.nn.functional.avg_pool2d(align(fine, alignment(views)), 4)
    seen = inside(compose(alignment(views), 1.2 * identity(2, 2)), (12, 16))
    assert (align(coarse, alignment(views)) - moved)[seen].abs().max() < 0.2


@pytest.mark.parametrize("shape", [(4, 8), (2, 49, 8), (4, 3, 8, 8)])
def test_what_has_no_place_in_the_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"teacher feature is .* cannot be moved onto the grid of 2 student views"):
        align(torch.rand(shape), identity(2, 2))


def test_one_vector_for_a_whole_image_stays_as_it_is():
    student, teacher, theta = torch.rand(2, 8), torch.rand(2, 8), 2 * identity(2, 2)
    assert align(teacher, theta) is teacher
    assert leave_out(student, teacher, theta) == (student, teacher)


@pytest.mark.parametrize(
    "loss", [torch.nn.MSELoss(), torch.nn.L1Loss(), lambda s, t: -(t.softmax(1) * s.log_softmax(1)).mean()]
)
def test_no_gradient_comes_from_what_the_teacher_did_not_see(loss):
    student, teacher, theta = torch.rand(2, 3, 8, 8, requires_grad=True), torch.rand(2, 3, 8, 8), 2 * identity(2, 2)
    loss(*leave_out(student, teacher, theta)).backward()
    seen = inside(theta, (8, 8)).expand_as(student)
    assert 0.2 < seen.float().mean() < 0.3
    assert student.grad[~seen].abs().max() < 1e-7 and student.grad[seen].abs().max() > 0


def test_nothing_is_changed_where_the_teacher_saw():
    student, teacher, theta = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), 2 * identity(2, 2)
    seen = inside(theta, (8, 8)).expand_as(student)
    kept, compared = leave_out(student, teacher, theta)
    assert kept is student and torch.equal(compared[seen], teacher[seen]) and torch.equal(compared[~seen], kept[~seen])


@pytest.mark.parametrize(("channels", "size"), [(5, 4), (3, 8)])
def test_losses_of_any_shape_see_nothing_where_the_teacher_did_not(channels, size):
    features = torch.ones(2, 3, 8, 8), torch.ones(2, channels, size, size)
    student, teacher = leave_out(*features, 2 * identity(2, 2), any_shape=True)
    assert student.sum() == 2 * 3 * 16 and teacher.sum() == 2 * channels * size * size / 4
