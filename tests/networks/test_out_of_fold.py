# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from monai_kd import CachedTeacher
from monai_kd.networks import FlipAverage, OutOfFoldEnsemble


def members(count=3):
    torch.manual_seed(0)
    return [nn.Conv2d(1, 2, 3, padding=1) for _ in range(count)]


def told(image, folds):
    channel = torch.tensor(folds, dtype=image.dtype).view(-1, 1, 1, 1)
    return torch.cat([image, channel.expand(-1, 1, *image.shape[2:])], dim=1)


def test_each_image_is_answered_by_the_teacher_that_did_not_learn_it():
    networks, image = members(), torch.rand(5, 1, 4, 4)
    found = OutOfFoldEnsemble(networks, folds=3)(told(image, [2, -1, 0, 1, 2]))
    mean = sum(network(image) for network in networks) / 3
    expected = torch.stack([networks[2](image)[0], mean[1], networks[0](image)[2], *(
        network(image)[i] for i, network in ((3, networks[1]), (4, networks[2]))
    )])  # fmt: skip
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_no_teacher_that_learned_it_is_run(left_out):
    asked = []
    networks = members()
    for k, network in enumerate(networks):
        network.register_forward_hook(lambda *_, k=k: asked.append(k))
    with CachedTeacher(FlipAverage(OutOfFoldEnsemble(networks, folds=3)), layers=[""]) as teacher:
        teacher(told(torch.rand(2, 1, 4, 4), [left_out, left_out]))
    assert set(asked) == {left_out}


def test_probabilities_may_be_averaged():
    networks, image = members(), torch.rand(1, 1, 4, 4)
    found = OutOfFoldEnsemble(networks, 3, probabilities=True)(told(image, [-1])).softmax(1)
    torch.testing.assert_close(found, sum(network(image).softmax(1) for network in networks) / 3)


@pytest.mark.parametrize(("count", "folds"), [(2, 3), (4, 3), (1, 2)])
def test_every_fold_needs_a_teacher(count, folds):
    with pytest.raises(ValueError, match=rf"{count} teachers for {folds} folds.*a checkpoint for each fold"):
        OutOfFoldEnsemble(members(count), folds)


@pytest.mark.parametrize("fold", [3, -2, 0.5, float("nan")])
def test_what_is_no_fold_is_refused(fold):
    with pytest.raises(ValueError, match=r"each image's fold, 0 to 2 or -1.*PrepareBatchOutOfFold"):
        OutOfFoldEnsemble(members(), 3)(told(torch.rand(2, 1, 4, 4), [0, fold]))


@pytest.mark.parametrize("channels", [1, 2])
def test_an_image_that_is_told_no_fold_is_refused(channels):
    with pytest.raises(ValueError, match="needs each image's fold"):
        OutOfFoldEnsemble(members(), 3)(torch.rand(2, channels, 4, 4))
