# SPDX-License-Identifier: Apache-2.0
"""Mixup by the equation, with labels that are mixed or kept, and for both kinds of teacher."""

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss

from monai_kd import Pathway, Pathways
from monai_kd.engines import PrepareBatchMixUp, PrepareBatchViews
from monai_kd.teachers import MixedTeacher
from monai_kd.transforms import View
from monai_kd.transforms.geometry import inside, warp
from tests.engines.view_fixtures import network, smooth_batch, strong, trainer, weak

CACHED = {"teacher": View(), "aligned": True}


def factors(alpha, count=4, seed=0):
    return torch.as_tensor(np.random.RandomState(seed).beta(alpha, alpha, count), dtype=torch.float32)


def mixed(tensor, factor):
    share = factor.view(-1, *[1] * (tensor.ndim - 1))
    return share * tensor + (1 - share) * tensor[[3, 2, 1, 0]]


@pytest.mark.parametrize("dims", [2, 3])
def test_image_and_label_are_the_moved_mixture(dims):
    batch, before = smooth_batch(dims), smooth_batch(dims)
    views = PrepareBatchMixUp(strong(dims, noise=0.0), alpha=0.7).set_random_state(seed=0)
    image, label = views(batch)
    theta, factor = batch["student_geometry"], factors(0.7)
    torch.testing.assert_close(image, warp(mixed(before["image"], factor), theta))
    shares = torch.cat([1 - before["label"], before["label"]], dim=1)
    torch.testing.assert_close(label, warp(mixed(shares, factor), theta, mode="nearest"))
    assert ((label > 0) & (label < 1)).any()


@pytest.mark.parametrize(
    ("has_label", "stays"),
    [([1, 1, 1, 1], []), ([1, 0, 1, 0], [0, 2]), ([1, 1, 0, 0], [0, 1]), ([0, 1, 1, 0], []), ([0, 0, 0, 0], [])],
)
def test_a_label_is_mixed_with_a_label_alone(has_label, stays):
    """Images without a label are mixed with any other, so that all labels count and none is invented."""
    batch, before = smooth_batch(), smooth_batch()
    batch["has_label"] = torch.tensor(has_label)
    image, label = PrepareBatchMixUp(View()).set_random_state(seed=0)(batch)
    expected = torch.tensor([1.0 if i in stays else factor for i, factor in enumerate(factors(1.0).tolist())])
    torch.testing.assert_close(image, mixed(before["image"], expected))
    for i in stays:
        assert torch.equal(image[i], before["image"][i]) and torch.equal(label[i, 1:], before["label"][i])
    for i in set(range(4)) - set(stays):
        assert not torch.allclose(image[i], before["image"][i])


def test_the_teacher_is_given_the_image_before_mixing_and_its_factor():
    batch, before = smooth_batch(), smooth_batch()
    PrepareBatchMixUp(strong(), **CACHED).set_random_state(seed=0)(batch)
    image, factor = batch["teacher_image"].split(1, dim=1)
    assert torch.equal(image, before["image"])
    torch.testing.assert_close(factor, factors(1.0).view(4, 1, 1, 1).expand_as(image))


def test_in_function_matching_the_teacher_sees_the_mixture():
    batch, before = smooth_batch(), smooth_batch()
    PrepareBatchMixUp(strong(), **CACHED, mixed_teacher=True).set_random_state(seed=0)(batch)
    torch.testing.assert_close(batch["teacher_image"], mixed(before["image"], factors(1.0)))


class Spy(torch.nn.Module):
    """A loss that keeps the teacher's features."""

    def forward(self, student, teacher):
        self.seen = teacher
        return (student * 0).sum()


def test_kept_answers_are_mixed_and_then_moved_as_image_and_label_are():
    teacher, spy, batch, before = network(), Spy(), smooth_batch(), smooth_batch()
    trainer(
        PrepareBatchMixUp(strong(noise=0.0), **CACHED).set_random_state(seed=0),
        [batch],
        teacher=MixedTeacher(teacher, layers=[""]),
        pathways=Pathways(spy=Pathway(spy)),
        loss_function=DiceCELoss(softmax=True),
    ).run()
    theta = batch["student_geometry"]
    with torch.no_grad():
        expected = mixed(teacher(before["image"]).softmax(1), factors(1.0)).log()
    seen = inside(theta, before["image"].shape[2:])
    torch.testing.assert_close(spy.seen * seen, warp(expected, theta, padding_mode="border") * seen)


def test_class_indices_become_shares_and_no_class_is_not_looked_at():
    batch = {"image": torch.rand(4, 1, 8, 8), "label": torch.tensor([2, 0, -100, 1])}
    batch["has_label"] = torch.tensor([1, 1, 0, 1])
    _, label = PrepareBatchMixUp(View(), classes=3).set_random_state(seed=0)(batch)
    factor = factors(1.0)[0].item()
    torch.testing.assert_close(label[0], torch.tensor([0, 1 - factor, factor]))
    torch.testing.assert_close(label[1], torch.tensor([1.0, 0.0, 0.0]))


def test_without_label_images_are_mixed_too():
    image, label = PrepareBatchMixUp(View()).set_random_state(seed=0)({"image": smooth_batch()["image"]})
    torch.testing.assert_close(image, mixed(smooth_batch()["image"], factors(1.0)))
    assert label is None


def test_the_same_seed_mixes_alike_and_the_next_batch_otherwise():
    views = PrepareBatchMixUp(strong(), **CACHED)
    first, again = (views.set_random_state(seed=3)(smooth_batch())[0] for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(views(smooth_batch())[0], again)
    assert repr(PrepareBatchMixUp(View(), alpha=0.2)) != repr(PrepareBatchMixUp(View(), alpha=0.3))


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan")])
def test_alpha_is_above_zero(alpha):
    with pytest.raises(ValueError, match=r"alpha=.*expected a number above 0, such as 0\.2"):
        PrepareBatchMixUp(View(), alpha=alpha)


@pytest.mark.parametrize(
    "arguments",
    [{"teacher": View()}, {"teacher": weak(), "aligned": True}, {**CACHED, "prompt": True}],
    ids=["shared geometry", "own view", "prompt"],
)
def test_a_teacher_with_another_view_is_refused(arguments):
    with pytest.raises(
        ValueError, match=r"the teacher's view must be the un-augmented image.*teacher=View\(\) and aligned=True"
    ):
        PrepareBatchMixUp(View(), **arguments)


def test_a_class_too_many_and_a_batch_that_is_no_dictionary_are_refused():
    batch = {"image": torch.rand(2, 1, 8, 8), "label": torch.full((2, 1, 8, 8), 2.0)}
    with pytest.raises(ValueError, match=r"class 2, but mixup knows the classes 0 to 1.*classes=3"):
        PrepareBatchMixUp(View())(batch)
    with pytest.raises(ValueError, match="got a list, expected a dictionary"):
        PrepareBatchMixUp(View())([torch.rand(2, 1, 8, 8)] * 2)


def test_a_cached_teacher_that_does_not_mix_is_told_by_its_channels():
    views = PrepareBatchMixUp(View(), **CACHED)
    with pytest.raises(ValueError, match=r"cannot take an image of shape \(4, 2, 64, 48\)"):
        trainer(views, [smooth_batch()], loss_function=DiceCELoss(softmax=True)).run()


def test_a_mixed_teacher_needs_the_factor():
    views = PrepareBatchViews(View(), teacher=View(), aligned=True)
    teacher = MixedTeacher(network(), layers=[""])
    with pytest.raises(ValueError, match=r"needs each image's factor.*PrepareBatchMixUp"):
        trainer(views, [smooth_batch()], teacher=teacher).run()
