# SPDX-License-Identifier: Apache-2.0
"""A teacher of many classes that answers for a few."""

import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from monai_kd import CachedTeacher
from monai_kd.networks import ClassSubset


class Known(nn.Module):
    """The image's channels as logits."""

    def forward(self, image):
        return image


LOGITS = 3 * torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(0))


def test_probabilities_of_joined_classes_add_up():
    answer = ClassSubset(Known(), [4, [1, 5]])(LOGITS).softmax(1)
    every = LOGITS.softmax(1)
    expected = torch.stack([every[:, [0, 2, 3]].sum(1), every[:, 4], every[:, [1, 5]].sum(1)], 1)
    torch.testing.assert_close(answer, expected)


def test_large_logits_stay_finite():
    assert ClassSubset(Known(), [[1, 2]])(LOGITS * 1e4).isfinite().all()


def test_independent_channels_are_chosen_and_joined_as_a_union_of_masks():
    answer = ClassSubset(Known(), [0, [2, 3]], sigmoid=True)(LOGITS)
    assert torch.equal(answer[:, 0], LOGITS[:, 0])
    assert torch.equal(answer[:, 1] > 0, (LOGITS[:, 2] > 0) | (LOGITS[:, 3] > 0))


def test_of_a_classifier():
    assert ClassSubset(Known(), [2])(LOGITS[..., 0, 0]).shape == (2, 2)


def test_windows_and_the_cache_hold_few_channels():
    network = ClassSubset(nn.Conv2d(1, 105, 1), [7])
    image = torch.rand(2, 1, 20, 20)
    inferer = SlidingWindowInferer(roi_size=8)
    assert inferer(image, network).shape == (2, 2, 20, 20)
    with CachedTeacher(network, layers=[""]) as teacher:
        teacher(image)
        assert teacher.nbytes == 2 * 2 * 20 * 20 * 4


@pytest.mark.parametrize("classes", [[], [0], [1, 1], [-1], [[]], [1, [2, 1]]])
def test_classes_that_make_no_sense_are_refused(classes):
    with pytest.raises(ValueError, match=r"expected different indices from 1\. Channel 0 is the background"):
        ClassSubset(Known(), classes)


def test_classes_that_the_network_lacks_are_refused():
    with pytest.raises(ValueError, match=r"gives \(2, 6, 5, 4\), expected more than 6 channels"):
        ClassSubset(Known(), [6])(LOGITS)


@pytest.mark.parametrize("heads", [1, 2])
def test_of_several_outputs_the_main_one_counts(heads):
    class Several(nn.Module):
        def forward(self, image):
            return [image, image[..., ::2, ::2]][:heads]

    assert torch.equal(ClassSubset(Several(), [1])(LOGITS), ClassSubset(Known(), [1])(LOGITS))

    class Equal(nn.Module):
        def forward(self, image):
            return [image, image]

    with pytest.raises(ValueError, match="ClassSubset's network returned several outputs of one resolution"):
        ClassSubset(Equal(), [1])(LOGITS)
