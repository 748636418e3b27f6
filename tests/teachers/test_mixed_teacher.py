# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd import CachedTeacher
from monai_kd.teachers import MixedTeacher
from tests.teachers.test_cached_teacher import Counting, images, network


def told(image, factor):
    return torch.cat([image, factor.view(-1, 1, 1, 1).expand_as(image)], dim=1)


def test_kept_answers_are_mixed_and_hidden_features_as_the_images_are():
    teacher, batch = Counting(network()), images()
    factor = torch.tensor([0.1, 0.6, 1.0, 0.3, 0.0, 0.9])
    share = factor.view(-1, 1, 1, 1)
    with CachedTeacher(network(), ["", "0"]) as cached:
        plain = cached(batch)
    with MixedTeacher(teacher, ["", "inner.0"]) as mixed:
        for _ in range(2):
            features = mixed(told(batch, factor))
            answers = plain[""].softmax(1)
            torch.testing.assert_close(features[""].exp(), share * answers + (1 - share) * answers.flip(0))
            hidden = plain["0"]
            torch.testing.assert_close(features["inner.0"], share * hidden + (1 - share) * hidden.flip(0))
            factor, share = 1 - factor, 1 - share
        assert teacher.count == len(mixed) == 6  # once for each image, whatever it is mixed with


def test_answers_on_disk_are_those_of_a_cached_teacher(tmp_path):
    batch = images()
    with CachedTeacher(network(), [""], folder=tmp_path) as cached:
        answers = cached(batch)[""]
    teacher = network()
    with MixedTeacher(teacher, [""], folder=tmp_path) as mixed:
        teacher.forward = None  # it must not be asked
        found = mixed(told(batch, torch.full((6,), 1.0)))[""]
    torch.testing.assert_close(found.softmax(1), answers.softmax(1))


@pytest.mark.parametrize("last", [torch.full((6, 1, 8, 8), 1.5), images(), -torch.ones(6, 1, 8, 8)])
def test_what_is_no_factor_is_refused(last):
    with (
        MixedTeacher(network(), [""]) as teacher,
        pytest.raises(ValueError, match=r"needs each image's factor, 0 to 1, as the last channel.*PrepareBatchMixUp"),
    ):
        teacher(torch.cat([images(), last], dim=1))
