# SPDX-License-Identifier: Apache-2.0
import re

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, RandGaussianNoised

from monai_kd.transforms import LabelNoised

IDS = [f"case{i:03}" for i in range(250)]


def labels(noise, ids=IDS, classes=2):
    """Each image's label after the noise; before, it was the image's number modulo the classes."""
    return {name: noise({"id": name, "label": i % classes})["label"] for i, name in enumerate(ids)}


def changed(noise, ids=IDS, classes=2):
    return {name for i, (name, label) in enumerate(labels(noise, ids, classes).items()) if label != i % classes}


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.2, 50), (0.4, 100), (1.0, 250)])
def test_the_share_is_met_exactly(share, count):
    assert len(changed(LabelNoised("label", IDS, share))) == count


def test_the_seed_alone_says_which():
    noise = LabelNoised("label", IDS, 0.4, seed=3)
    shuffled = LabelNoised("label", [*reversed(IDS), *IDS], 0.4, seed=3)
    assert changed(noise) == changed(noise) == changed(shuffled) != changed(LabelNoised("label", IDS, 0.4, seed=4))
    assert changed(LabelNoised("label", IDS, 0.2, seed=3)) < changed(noise)


def test_other_images_keep_their_labels():
    others = [f"other{i}" for i in range(50)]
    assert changed(LabelNoised("label", IDS, 1.0), IDS + others) == set(IDS)


def test_each_class_has_a_share_of_its_own():
    wrong = changed(LabelNoised("label", IDS, [0.0, 0.4]))
    assert 40 <= len(wrong) <= 60  # of 125 malignant ones, at random
    assert all(IDS.index(name) % 2 == 1 for name in wrong)


def test_wrong_classes_are_all_alike():
    noise = LabelNoised("label", IDS, 0.8, num_classes=5)
    steps = [(label - i) % 5 for i, label in enumerate(labels(noise, classes=5).values())]
    assert [steps.count(step) for step in range(5)] == [50] * 5


@pytest.mark.parametrize("make", [int, float, np.int64, lambda y: np.array([y], np.uint8), lambda y: torch.tensor(y)])
def test_type_and_shape_are_kept_and_the_record_is_not_changed(make):
    record = {"id": "a", "label": make(1), "other": make(0)}
    result = LabelNoised(["label", "other"], ["a"], 1.0)(record)
    for key, expected in (("label", 0), ("other", 1)):
        assert type(result[key]) is type(record[key]) and np.array_equal(result[key], make(expected))
    assert record["label"] == make(1)


def test_every_epoch_of_a_cached_data_set_has_the_same_labels():
    noise = LabelNoised("label", IDS, 0.4)
    transform = Compose([noise, RandGaussianNoised("image", prob=1.0)])
    records = [{"id": name, "image": torch.zeros(1, 2, 2), "label": i % 2} for i, name in enumerate(IDS)]
    loader = DataLoader(CacheDataset(records, transform, progress=False), batch_size=50)
    first, second = (torch.cat([batch["label"] for batch in loader]).tolist() for _ in range(2))
    assert first == second == list(labels(noise).values())


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"share": 1.5}, "share=1.5 must be a number from 0 to 1, or 2 of them"),
        ({"share": [0.1, 0.2, 0.3]}, "or 2 of them, one for each class. Give 0.2"),
        ({"share": 0.1, "num_classes": 1}, "num_classes=1. Give 2 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, cause):
    with pytest.raises(ValueError, match=cause):
        LabelNoised("label", IDS, **arguments)


@pytest.mark.parametrize("label", [2, -1, 0.5, torch.zeros(1, 4, 4), np.array([0, 1])], ids=repr)
def test_what_is_no_class_is_refused_by_name(label):
    with pytest.raises(ValueError, match=r"'label' of 'case001' is not a class index.*0 to 1 for each image"):
        LabelNoised("label", IDS, 0.0)({"id": "case001", "label": label})


def test_a_record_without_its_id_is_refused():
    with pytest.raises(ValueError, match=re.escape("needs 'id' in the data, which hold ['label'].")):
        LabelNoised("label", IDS, 0.2)({"label": 0})
