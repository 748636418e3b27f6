# SPDX-License-Identifier: Apache-2.0
"""Some training images keep their labels: whole patients, in proportion, the same for every model."""

from __future__ import annotations

from collections import Counter

import pytest

from monai_kd.data import (
    BreastUltrasoundDataset,
    PooledDataset,
    choose_split,
    random_splits,
    read_dataset,
    read_splits,
    write_splits,
)
from monai_kd.data.splits.few_labels import keep_labels
from tests.data.layout_fixtures import make_bus_bra, make_plain

RECORDS = [
    {"id": f"{number:03}", "patient": f"{number // 2:03}", "pathology": "malignant" if number % 10 < 4 else "benign"}
    for number in range(200)
]
SPLIT = random_splits(RECORDS, 1)[0]
BY_ID = {record["id"]: record for record in RECORDS}


def patients(ids):
    return {BY_ID[key]["patient"] for key in ids}


@pytest.mark.parametrize("labels", [2, 20, 41, 0.25, 1.0])
def test_the_training_part_is_divided_and_nothing_else_changes(labels):
    found = keep_labels(SPLIT, RECORDS, labels)
    wanted = labels if isinstance(labels, int) else round(labels * len(SPLIT["training"]))
    assert wanted - 1 <= len(found["training"]) <= wanted  # patients have two images
    assert sorted(found["training"] + found["unlabelled"]) == sorted(SPLIT["training"])
    assert {part: found[part] for part in ("validation", "test")} == {
        part: SPLIT[part] for part in ("validation", "test")
    }


def test_patients_stay_whole_and_pathologies_in_proportion():
    found = keep_labels(SPLIT, RECORDS, 40)
    assert not patients(found["training"]) & patients(found["unlabelled"])
    kinds = Counter(BY_ID[key]["pathology"] for key in found["training"])
    assert abs(kinds["malignant"] - 16) <= 2


def test_the_seed_alone_decides():
    assert keep_labels(SPLIT, RECORDS, 20) == keep_labels(SPLIT, RECORDS[::-1], 20)
    assert keep_labels(SPLIT, RECORDS, 20) != keep_labels(SPLIT, RECORDS, 20, seed=1)


def test_images_that_the_split_leaves_unlabelled_stay_so():
    first = keep_labels(SPLIT, RECORDS, 60)
    second = keep_labels(first, RECORDS, 20)
    assert set(first["unlabelled"]) < set(second["unlabelled"])
    assert sorted(second["training"] + second["unlabelled"]) == sorted(SPLIT["training"])


@pytest.mark.parametrize("layout", [make_plain, make_bus_bra])
def test_every_data_set_gets_the_same_images(layout, tmp_path):
    root = layout(tmp_path / "data")
    split = choose_split(root)
    drawn = keep_labels(split, read_dataset(root), 4)
    for given in (split, None):
        alone = BreastUltrasoundDataset(root, split=given, labels=4, progress=False)
        pooled = PooledDataset(root, split=given, labels=4, progress=False)
        assert [record["id"] for record in alone.data] == drawn["training"]
        assert [record["id"] for record in pooled.data if record["has_label"]] == drawn["training"]
        assert {record["id"] for record in pooled.data if not record["has_label"]} == set(drawn["unlabelled"])


def test_a_split_file_may_name_images_without_labels(tmp_path):
    root = make_plain(tmp_path / "data")
    split = keep_labels(choose_split(root), read_dataset(root), 3)
    write_splits(tmp_path / "splits.json", [split], "by hand", "plain", seed=0)
    assert read_splits(tmp_path / "splits.json", read_dataset(root)) == [split]
    assert choose_split(root, split_file=tmp_path / "splits.json") == split
    pooled = PooledDataset(root, split=tmp_path / "splits.json", progress=False)
    assert sum(record["has_label"] for record in pooled.data) == 3


def test_unlabelled_images_of_a_test_patient_leak(tmp_path):
    other = next(key for key in SPLIT["training"] if BY_ID[key]["patient"] not in patients(SPLIT["test"]))
    twin = next(r["id"] for r in RECORDS if r["patient"] == BY_ID[other]["patient"] and r["id"] != other)
    split = {**{part: [key for key in ids if key not in (other, twin)] for part, ids in SPLIT.items()}}
    write_splits(
        tmp_path / "s.json", [{**split, "test": [*split["test"], twin], "unlabelled": [other]}], "by hand", "plain", 0
    )
    with pytest.raises(ValueError, match=r"leaks: .* are both of patient"):
        read_splits(tmp_path / "s.json", RECORDS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (0, "expected a number of training images from 1"),
        (-1, "expected a number"),
        (0.0, "fraction of them above 0"),
        (1.5, "up to 1.0"),
        (True, "labels=True: expected"),
        ("30", "labels='30': expected"),
        (1000, r"labels=1000, but there are \d+ training images"),
        (1, r"the smallest number is 2\. Give labels=2 or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        keep_labels(SPLIT, RECORDS, labels)


@pytest.mark.parametrize("kind", [BreastUltrasoundDataset, PooledDataset])
def test_a_list_of_training_images_is_not_drawn_from(kind):
    given = [{"image": "1.png", "label": "2.png"}]
    with pytest.raises(ValueError, match=r"labels=1 draws from a folder's training images, not from a list"):
        kind("nowhere", data=given, labels=1)


def test_validation_images_keep_their_labels(tmp_path):
    root = make_plain(tmp_path / "data")
    with pytest.raises(ValueError, match=r"labels=1 draws .* not from the validation images"):
        BreastUltrasoundDataset(root, "validation", labels=1)
