# SPDX-License-Identifier: Apache-2.0
"""A teacher with box prompts: which boxes it gets, how far they are moved, and where its answer is."""

from __future__ import annotations

import pytest
import torch

from monai_kd import CachedTeacher
from monai_kd.networks import PromptedTeacher
from monai_kd.networks.teachers.prompted_teacher import lesion_boxes
from tests.networks.inside import Ellipse


def marked(width, height, *boxes):
    """An image (1, 2, W, H) whose mask is filled boxes of x0, y0, x1, y1."""
    image = torch.zeros(1, 2, width, height)
    for x0, y0, x1, y1 in boxes:
        image[0, 1, x0:x1, y0:y1] = 1
    return image


def test_boxes_are_scaled_to_the_networks_image_and_the_answer_back():
    network = Ellipse()
    logits = PromptedTeacher(network, jitter=0)(marked(128, 32, (32, 8, 96, 24)))
    assert network.asked == [[16.0, 16.0, 48.0, 48.0]]
    inside = logits.argmax(1)[0]
    assert logits.shape == (1, 2, 128, 32)
    assert inside[64, 16] == 1 and inside[33, 9] == 0 and inside[10, 16] == 0
    assert inside.sum() == pytest.approx(torch.pi * 32 * 8, rel=0.05)  # the ellipse of half axes 32 and 8
    along, across = inside.nonzero().float().mean(0)
    assert (float(along), float(across)) == pytest.approx((63.5, 15.5), abs=0.6)


def test_the_probability_is_the_networks_own():
    network, image = Ellipse(), marked(64, 64, (10, 20, 40, 50))
    found = PromptedTeacher(network, jitter=0)(image).softmax(1)[0, 1]
    expected = network(torch.zeros(1, 3, 64, 64), torch.tensor([[10.0, 20.0, 40.0, 50.0]]))[0, 0].sigmoid().T
    torch.testing.assert_close(found, expected)


def test_each_lesion_is_asked_for_and_all_answers_are_joined():
    network = Ellipse()
    inside = PromptedTeacher(network, jitter=0)(marked(64, 64, (4, 4, 20, 20), (40, 30, 60, 60))).argmax(1)[0]
    assert sorted(network.asked) == [[4.0, 4.0, 20.0, 20.0], [40.0, 30.0, 60.0, 60.0]]
    assert inside[12, 12] == inside[50, 45] == 1 and inside[30, 25] == 0


def test_an_annotators_hand_moves_each_side_and_the_same_box_always_alike():
    network = Ellipse()
    teacher = PromptedTeacher(network, jitter=4)
    first = marked(64, 64, (10, 20, 40, 50))
    answers = [teacher(first), teacher(first), teacher(marked(64, 64, (11, 20, 40, 50)))]
    assert torch.equal(answers[0], answers[1])
    one, again, other = (torch.tensor(box) for box in network.asked)
    moved = one - torch.tensor([10.0, 20.0, 40.0, 50.0])
    assert torch.equal(one, again) and moved.abs().max() <= 4 and moved.abs().min() > 0 and len(moved.unique()) == 4
    assert not torch.equal(other - torch.tensor([11.0, 20.0, 40.0, 50.0]), moved)


def test_without_a_lesion_the_answer_is_background():
    network = Ellipse()
    probability = PromptedTeacher(network)(marked(32, 48)).softmax(1)[0, 1]
    assert probability.max() < 1e-6 and not network.asked


def test_gray_values_are_brought_back():
    class Seen(Ellipse):
        def forward(self, image, boxes):
            self.image = image
            return super().forward(image, boxes)

    network, gray = Seen(), torch.randint(0, 256, (64, 64)).float()
    image = torch.stack([(gray - 114.5) / 57.6, torch.ones(64, 64)])[None]
    PromptedTeacher(network)(image)
    torch.testing.assert_close(network.image[0, 1], gray.T / 255)


def test_a_cached_teacher_keeps_its_answers():
    network, image = Ellipse(), marked(64, 64, (10, 20, 40, 50))
    with CachedTeacher(PromptedTeacher(network), layers=[""]) as cached:
        first, again = (cached(image)[""] for _ in range(2))
        other = cached(marked(64, 64, (10, 20, 40, 51)))[""]
    assert torch.equal(first, again) and not torch.equal(first, other) and len(network.asked) == 2


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 3, 8, 8), (1, 2, 8, 8, 8)])
def test_other_channels_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(B, 2, W, H\).*prompt=True"):
        PromptedTeacher(Ellipse())(torch.zeros(shape))


def test_boxes_touch_the_parts_that_touch_at_corners():
    mask = torch.zeros(6, 8)
    mask[1, 2] = mask[2, 3] = mask[5, 7] = 1
    assert lesion_boxes(mask.numpy() > 0) == [(2.0, 1.0, 4.0, 3.0), (7.0, 5.0, 8.0, 6.0)]
