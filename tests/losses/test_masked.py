# SPDX-License-Identifier: Apache-2.0
"""Losses that leave out positions are those of the remaining positions alone."""

import pytest
import torch

from monai_kd import Pathway
from monai_kd.losses import ChannelWiseLoss, HiddenKLLoss, LogitsKLLoss

LOSSES = {
    "kl": lambda **k: LogitsKLLoss(4.0, **k),
    "kl at T=1": lambda **k: LogitsKLLoss(**k),
    "sigmoid": lambda **k: LogitsKLLoss(2.0, sigmoid=True, **k),
    "hidden": lambda **k: HiddenKLLoss(**k),
    "channel-wise": lambda **k: ChannelWiseLoss(**k),
}


def pair(channels=3):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, 6, 8, generator=generator, dtype=torch.float64) for _ in range(2)]


def left(columns=5):
    mask = torch.zeros(2, 1, 6, 8)
    mask[..., :columns] = 7
    return mask


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_it_is_the_loss_of_the_positions_that_count(make):
    student, teacher = pair()
    student.requires_grad_()
    value = make(masked=True)(student, teacher, mask=left())
    torch.testing.assert_close(value, make()(student[..., :5], teacher[..., :5]))
    (gradient,) = torch.autograd.grad(value, student)
    assert not gradient[..., 5:].any() and gradient[..., :5].all()


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_a_mask_of_nothing_is_zero_and_one_of_all_changes_nothing(make):
    student, teacher = pair()
    assert make(masked=True)(student, teacher, mask=torch.zeros(2, 1, 6, 8)) == 0
    torch.testing.assert_close(
        make(masked=True)(student, teacher, mask=torch.ones(2, 1, 6, 8)), make()(student, teacher)
    )


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_it_compiles(make):
    torch.compiler.reset()
    student, teacher = pair()
    compiled = torch.compile(make(masked=True), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(
        compiled(student, teacher, mask=left()), make(masked=True)(student, teacher, mask=left())
    )


def test_images_with_masks_of_different_size_are_averaged_over_all_positions_that_count():
    student, teacher = pair()
    mask = left()
    mask[1, :, 2:] = 0
    counted = [(tensor.movedim(1, -1)[mask[:, 0] > 0]) for tensor in (student, teacher)]
    torch.testing.assert_close(LogitsKLLoss(masked=True)(student, teacher, mask=mask), LogitsKLLoss()(*counted))


def test_a_pathway_takes_the_mask_from_the_batch_at_any_resolution():
    student, teacher = pair()
    pathway = Pathway(LogitsKLLoss(masked=True), "a")
    fine = left().repeat_interleave(2, 2).repeat_interleave(2, 3)
    value = pathway({"a": student}, {"a": teacher}, {"mask": fine})
    torch.testing.assert_close(value, LogitsKLLoss()(student[..., :5], teacher[..., :5]))
    with pytest.raises(ValueError, match=r"uses \['mask'\], but the batch"):
        pathway({"a": student}, {"a": teacher}, {})


@pytest.mark.parametrize("shape", [(2, 6, 8), (1, 1, 6, 8), (2, 3, 6, 8)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"mask has shape .* for a feature of shape \(2, 3, 6, 8\)"):
        LogitsKLLoss(masked=True)(*pair(), mask=torch.ones(shape))
