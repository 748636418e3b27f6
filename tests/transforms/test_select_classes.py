# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from monai.data import CacheDataset, MetaTensor
from monai.transforms import Compose, OneOf, RandFlipd, RandGaussianNoised, ScaleIntensityd

from monai_kd.networks import ClassSubset
from monai_kd.transforms import SelectClassesd, before_random


@pytest.mark.parametrize("form", ["numbers", "one-hot", "numpy"])
def test_the_new_label_is_what_the_reduced_teacher_would_learn(form):
    """A teacher that is certain of the old label gives, reduced, the new one."""
    numbers = torch.randint(0, 6, (1, 8, 8))
    one_hot = torch.nn.functional.one_hot(numbers[0], 6).movedim(-1, 0)
    label = {"numbers": MetaTensor(numbers.float()), "one-hot": one_hot, "numpy": numbers.numpy()}[form]
    new = SelectClassesd("label", groups=[[4], [1, 3]], channels=6)({"label": label})["label"]
    answer = ClassSubset(torch.nn.Identity(), classes=[4, [1, 3]])(50.0 * one_hot[None])[0]
    got = torch.as_tensor(np.asarray(new))
    assert torch.equal(got.argmax(0) if form == "one-hot" else got[0].long(), answer.argmax(0))
    assert type(new) is type(label)
    assert getattr(new, "dtype", None) == label.dtype


def test_channels_that_overlap_become_their_union():
    label = torch.tensor([[[1, 0, 0]], [[1, 1, 0]], [[0, 0, 1]]])
    new = SelectClassesd("label", groups=[[1], [0, 2]], channels=3, background=False)({"label": label})["label"]
    assert new.tolist() == [[[1, 1, 0]], [[1, 0, 1]]]


def test_ignored_pixels_stay():
    select = SelectClassesd("label", groups=[[2]], channels=3, ignored=[255])
    assert select({"label": torch.tensor([[[0, 2, 255, 1]]])})["label"].tolist() == [[[0, 1, 255, 0]]]


@pytest.mark.parametrize(
    ("label", "arguments", "message"),
    [
        (torch.tensor([[[0.0, 0.5]]]), {}, r"values such as 0\.5, but its classes are the numbers 0 to 2"),
        (torch.tensor([[[0, 7]]]), {}, "values such as 7"),
        (torch.zeros(2, 1, 1), {}, r"has 2 channel\(s\), but 1 or 3 are needed"),
        (torch.zeros(1, 1, 1), {"background": False}, r"has 1 channel\(s\), but 3 are needed"),
    ],
)
def test_labels_that_are_refused(label, arguments, message):
    with pytest.raises(ValueError, match=message):
        SelectClassesd("label", groups=[[1]], channels=3, **arguments)({"label": label})


def test_steps_come_before_the_first_random_transform_and_are_cached():
    noise, flip = RandGaussianNoised("image", prob=1.0), OneOf([RandFlipd("image", prob=1.0)])
    select = SelectClassesd("label", groups=[[2]], channels=3)
    chain = Compose([Compose([ScaleIntensityd("image"), noise]), flip])
    new = before_random(chain, [select])
    assert [type(step).__name__ for step in new.transforms] == [
        "ScaleIntensityd",
        "SelectClassesd",
        "RandGaussianNoised",
        "OneOf",
    ]
    assert len(chain.transforms) == 2
    assert new.transforms[2] is noise  # whoever seeds the former chain seeds this one
    item = {"image": torch.rand(1, 4, 4), "label": torch.tensor([[[0, 1], [2, 2]]])}
    data = CacheDataset([item], new, progress=False)
    assert data._cache[0]["label"].tolist() == [[[0, 0], [1, 1]]]
    assert before_random(OneOf([flip]), [select]).transforms[0] is select
