# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from monai_kd.engines import PrepareBatchOutOfFold, PrepareBatchViews
from monai_kd.transforms import View
from monai_kd.transforms.geometry import warp
from tests.engines.view_fixtures import smooth_batch, strong, weak

FOLDS = {"a": 0, "b": 1, "c": 2}


def batch(**further):
    return {**smooth_batch(), "id": ["b", "pool", "a", "c"], "has_label": torch.tensor([1, 0, 1, 1]), **further}


def test_the_teacher_is_told_each_images_fold_and_nothing_else_changes():
    told, plain = batch(), batch()
    arguments = {"student": strong(), "teacher": weak(), "aligned": True}
    image, label = PrepareBatchOutOfFold(**arguments, fold_of=FOLDS).set_random_state(seed=0)(told)
    expected = PrepareBatchViews(**arguments).set_random_state(seed=0)(plain)
    assert torch.equal(image, expected[0]) and torch.equal(label, expected[1])
    seen, fold = told["teacher_image"].split(1, dim=1)
    assert torch.equal(seen, plain["teacher_image"])
    torch.testing.assert_close(seen, warp(smooth_batch()["image"], told["teacher_geometry"]))
    assert [set(one.unique().tolist()) for one in fold] == [{1.0}, {-1.0}, {0.0}, {2.0}]


def test_a_labelled_image_in_no_fold_is_refused():
    views = PrepareBatchOutOfFold(View(), View(), fold_of={"a": 0, "b": 1})
    with pytest.raises(ValueError, match=r"The labelled image 'c' is in no fold.*label_folds\(dataset\.data"):
        views(batch())


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match=r"in a view of its own\. Give teacher=View\(\)"):
        PrepareBatchOutOfFold(View(), fold_of=FOLDS)
    with pytest.raises(ValueError, match=r"no image has a fold\. Give fold_of=label_folds"):
        PrepareBatchOutOfFold(View(), View())
    with pytest.raises(ValueError, match=r"but no 'id' to find folds by"):
        PrepareBatchOutOfFold(View(), View(), fold_of=FOLDS)(smooth_batch())
