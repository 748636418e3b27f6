# SPDX-License-Identifier: Apache-2.0
"""Folds of the labelled images: whole patients, the same for teachers and student."""

import random
from collections import Counter

import pytest

from monai_kd.data import BreastUltrasoundDataset, PooledDataset, label_folds
from tests.data.layout_fixtures import make_bus_bra, make_plain

RECORDS = [
    {"id": f"{i:03}", "patient": f"{i // 2:03}", "pathology": "malignant" if i % 10 < 4 else "benign", "has_label": 1}
    for i in range(60)
]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_patients_stay_whole_and_folds_are_alike(folds):
    found = label_folds(RECORDS, folds)
    assert sorted(found) == [record["id"] for record in RECORDS]
    of_patient = {}
    for record in RECORDS:
        assert of_patient.setdefault(record["patient"], found[record["id"]]) == found[record["id"]]
    for kind, total in (("malignant", 24), ("benign", 36)):
        sizes = Counter(found[record["id"]] for record in RECORDS if record["pathology"] == kind)
        assert sorted(sizes) == list(range(folds)) and all(abs(size - total / folds) <= 2 for size in sizes.values())


def test_the_labelled_images_and_the_seed_alone_decide():
    pool = [{**record, "id": f"p{record['id']}", "has_label": 0} for record in RECORDS]
    mixed = random.Random(0).sample([*RECORDS, *pool], 120)
    assert label_folds(mixed, 3) == label_folds(RECORDS, 3)
    assert label_folds(RECORDS, 3, seed=1) != label_folds(RECORDS, 3)


@pytest.mark.parametrize("layout", [make_plain, make_bus_bra])
def test_no_teacher_learns_what_it_will_answer(layout, tmp_path):
    root = layout(tmp_path / "data")
    pooled = PooledDataset(root, labels=4, progress=False)
    patient = {record["id"]: record["patient"] for record in pooled.data}
    fold_of = label_folds(pooled.data, 2)
    assert sorted(fold_of) == sorted(record["id"] for record in pooled.data if record["has_label"])
    for fold in range(2):
        taught = BreastUltrasoundDataset(root, labels=4, leave_out=(fold, 2), progress=False)
        learned = {record["id"] for record in taught.data}
        assert learned == {key for key, other in fold_of.items() if other != fold} and learned
        answered = {key for key, other in fold_of.items() if other == fold}
        assert not {patient[key] for key in learned} & {patient[key] for key in answered}


@pytest.mark.parametrize("folds", [1, 0, -3, 2.0, True, "3", None])
def test_folds_are_a_whole_number_from_two(folds):
    with pytest.raises(ValueError, match=r"folds of the labelled images: expected a whole number from 2"):
        label_folds(RECORDS, folds)


def test_fewer_patients_than_folds_are_refused():
    with pytest.raises(ValueError, match=r"3 folds .* need 3 patients, but there are 2\. Give fewer folds"):
        label_folds(RECORDS[:4], 3)


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [
        ((3, 3), r"leave_out=\[3, 3\]: no fold 3 of 3\. Give 0 to 2"),
        ((-1, 3), r"no fold -1 of 3"),
        ((0, 1), r"1 folds .* expected a whole number from 2"),
        ((0,), r"leave_out=\(0,\), expected a fold and the number of folds, such as \[0, 3\]"),
        (0, r"leave_out=0, expected a fold and"),
        ("03", r"leave_out='03', expected a fold and"),
    ],
)
def test_a_fold_that_is_not_there_is_refused(leave_out, message, tmp_path):
    root = make_plain(tmp_path / "data")
    with pytest.raises(ValueError, match=message):
        BreastUltrasoundDataset(root, leave_out=leave_out, progress=False)


def test_folds_are_of_training_images(tmp_path):
    root = make_plain(tmp_path / "data")
    with pytest.raises(ValueError, match=r"leave_out=\(0, 2\) is for training images, not test images"):
        BreastUltrasoundDataset(root, "test", leave_out=(0, 2), progress=False)
