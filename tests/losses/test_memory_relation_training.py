# SPDX-License-Identifier: Apache-2.0
"""The content of the memories, and resuming of a run with them."""

import copy

import pytest
import torch

from monai_kd.losses import MemoryRelationLoss
from tests.losses.test_memory_relation import batch, small, train, unit


def test_memories_hold_the_teachers_vectors_of_the_right_class_and_nothing_else():
    loss = small(num_classes=3, pixel_memory=40, region_memory=40)
    known = {k: [] for k in range(3)}
    means = {k: [] for k in range(3)}
    for step in range(3):
        student, teacher, label = batch(step, classes=3)
        label[0][label[0] == 1] = 255  # no class
        loss(student.requires_grad_(), teacher, label=label)
        for n in range(2):
            for k in range(3):
                members = torch.tensor([
                    unit(teacher[n, :, h, w].tolist()) for h in range(4) for w in range(4) if label[n, 0, h, w] == k
                ])  # fmt: skip
                if len(members):
                    known[k].append(members)
                    means[k].append(unit(members.mean(0).tolist()))
    for k in range(3):
        everything = torch.cat(known[k])
        count = int(loss.pixels.filled[k])
        assert count == min(40, len(everything))
        distances = torch.cdist(loss.pixels.vectors[k, :count], everything, compute_mode="donot_use_mm_for_euclid_dist")
        assert (distances.min(1).values < 1e-5).all()
        torch.testing.assert_close(loss.regions.vectors[k, : len(means[k])], torch.tensor(means[k]))
        assert loss.regions.filled[k] == len(means[k])


def test_at_most_sixteen_different_pixels_of_an_image_and_class_are_remembered():
    loss = small(pixel_memory=100)
    teacher = torch.randn(1, 3, 8, 8)
    label = torch.zeros(1, 1, 16, 16)
    label[..., :2, :6] = 1  # 3 positions on the feature's grid
    loss(torch.randn(1, 3, 8, 8, requires_grad=True), teacher, label=label)
    assert loss.pixels.filled.tolist() == [16, 3] and loss.regions.filled.tolist() == [1, 1]
    assert len(loss.pixels.vectors[0, :16].unique(dim=0)) == 16
    expected = torch.nn.functional.normalize(teacher[0, :, 0, :3], dim=0).T
    torch.testing.assert_close(loss.pixels.vectors[1, :3].sort(0).values, expected.sort(0).values)


def test_what_has_no_length_is_not_remembered():
    loss = small()
    student, teacher, label = batch(0)
    teacher[1] = 0
    loss(student.requires_grad_(), teacher, label=label)
    assert loss.regions.filled.tolist() == [1, 1]
    assert loss.pixels.filled.sum() == min(12, int((label[0] == 0).sum())) + min(12, int((label[0] == 1).sum()))


def test_nothing_is_remembered_in_evaluation_or_without_gradients():
    loss = small()
    student, teacher, label = batch(0)
    with torch.no_grad():
        loss(student, teacher, label=label)
    value = loss.eval()(student.requires_grad_(), teacher, label=label)
    value.backward()
    assert not loss.pixels.filled.any() and not loss.regions.filled.any()
    assert value == 0 and not student.grad.any()  # an empty memory gives 0 and no gradient


@pytest.mark.parametrize("contrast", [2, 1000])
def test_a_resumed_run_goes_on_bitwise(contrast):
    loss = small(pixel_contrast=contrast, region_contrast=contrast)
    train(loss, range(3))
    other = small(pixel_contrast=contrast, region_contrast=contrast)
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    for a, b in zip(train(loss, range(3, 6)), train(other, range(3, 6)), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in (loss, other)), strict=True))


def test_gradients_reach_the_student_while_memories_change():
    loss = small()
    student, teacher, label = batch(0)
    first = loss(student.requires_grad_(), teacher, label=label)
    loss(student, teacher, label=label)
    first.backward()
    assert student.grad.abs().sum() > 0


def test_a_step_at_full_size_keeps_matrices_bounded():
    loss = MemoryRelationLoss(num_classes=2, channels=16)
    student, teacher = torch.randn(16, 16, 112, 112, requires_grad=True), torch.randn(16, 16, 112, 112)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        value = loss(student, teacher, label=torch.randint(2, (16, 1, 224, 224)))
    value.backward()
    assert max(saved) <= 16 * 144 * 4096
    assert student.grad.isfinite().all()
