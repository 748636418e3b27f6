# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from collections import Counter

import pytest

from monai_kd.data import (
    check_dataset,
    choose_split,
    k_folds,
    official_folds,
    random_splits,
    read_dataset,
    read_official_folds,
)
from monai_kd.data.splits.groups import groups_of
from tests.data.layout_fixtures import make_bus_bra, make_dataset_a


def make_records(count, per_patient=1, malignant=3):
    """Every ``malignant``-th patient has a malignant lesion."""
    return [
        {
            "id": f"{i:03}",
            "patient": str(i // per_patient),
            "pathology": "benign" if i // per_patient % malignant else "malignant",
        }
        for i in range(count)
    ]


def sizes(split):
    return tuple(len(split[part]) for part in ("training", "validation", "test"))


def check_sound(split, records, content=None):
    """Each image once, and no patient and no content in two parts."""
    part_of = {key: part for part, ids in split.items() for key in ids}
    assert sorted(key for ids in split.values() for key in ids) == sorted(record["id"] for record in records)
    assert all(split.values())
    for shared in (lambda r: r["patient"], lambda r: (content or {}).get(r["id"], r["id"])):
        parts = {}
        for record in records:
            parts.setdefault(shared(record), set()).add(part_of[record["id"]])
        assert all(len(found) == 1 for found in parts.values())


def test_paper_protocol():
    records = make_records(163)
    splits = random_splits(records)
    assert len(splits) == 3
    for split in splits:
        check_sound(split, records)
        assert len(split["test"]) == 33
        assert len(split["training"]) + len(split["validation"]) == 130
    assert len({tuple(split["test"]) for split in splits}) == 3


def test_paper_protocol_with_dataset_a_duplicates():
    records = make_records(163)
    content = {record["id"]: record["id"] for record in records}
    for first, second in (("032", "040"), ("033", "042"), ("153", "159"), ("154", "160")):
        content[second] = content[first]
    for split in random_splits(records, splits=20, content=content):
        check_sound(split, records, content)
        assert len(split["test"]) == 33


def test_duplicates_are_found_and_kept_together_from_files(tmp_path):
    make_dataset_a(tmp_path, count=12, size=(8, 7), duplicates={"000004": "000001", "000009": "000002"})
    records = read_dataset(tmp_path)
    content = check_dataset(records)
    for seed in range(15):
        check_sound(choose_split(tmp_path, seed=seed), records, content)
        for split in k_folds(records, k=4, seed=seed, content=content):
            check_sound(split, records, content)


@pytest.mark.parametrize("per_patient", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_patients_stay_together(per_patient, seed):
    records = make_records(100, per_patient)
    for split in [*random_splits(records, seed=seed), *k_folds(records, k=4, seed=seed)]:
        check_sound(split, records)


def test_chains_of_patients_and_duplicates_are_one_group():
    records = [{"id": str(i), "patient": patient, "pathology": "benign"} for i, patient in enumerate("aabbcd")]
    content = dict(zip("012345", ("u", "v", "v", "w", "w", "x"), strict=True))
    assert [[r["id"] for r in group] for group in groups_of(records, content)] == [["0", "1", "2", "3", "4"], ["5"]]


def test_parts_are_stratified_by_pathology():
    records = make_records(240)
    pathology = {record["id"]: record["pathology"] for record in records}
    for split in [*random_splits(records), *k_folds(records, k=5)]:
        for ids in split.values():
            assert abs(Counter(pathology[key] for key in ids)["malignant"] - len(ids) / 3) <= 1


def test_patient_of_several_pathologies_is_kept_whole():
    records = make_records(40, per_patient=2)
    for record in records[::2]:
        record["pathology"] = "normal"
    for split in random_splits(records):
        check_sound(split, records)


def test_each_image_is_a_test_image_once():
    records = make_records(53, per_patient=2)
    folds = k_folds(records, k=5)
    assert sorted(key for split in folds for key in split["test"]) == [record["id"] for record in records]
    assert max(len(split["test"]) for split in folds) - min(len(split["test"]) for split in folds) <= 2


@pytest.mark.parametrize("make", [random_splits, k_folds])
def test_seed_alone_decides(make):
    records = make_records(60, per_patient=2)
    mixed = random.Random(1).sample(records, len(records))
    assert make(records, seed=4) == make(mixed, seed=4)
    assert make(records, seed=4) != make(records, seed=5)


def test_split_does_not_depend_on_their_number():
    assert random_splits(make_records(60), splits=5)[:2] == random_splits(make_records(60), splits=2)


def test_splits_are_the_same_everywhere():
    """Pinned: with another draw for the same seed, two versions would be compared on different images."""
    assert random_splits(make_records(12), splits=1)[0]["test"] == ["002", "009"]


def test_validation_is_taken_from_training_and_leaves_the_test_part():
    records = make_records(100)
    small, large = (random_splits(records, validation_fraction=fraction)[0] for fraction in (0.1, 0.4))
    assert small["test"] == large["test"]
    assert sizes(small) == (72, 8, 20)
    assert sizes(large) == (48, 32, 20)


def test_large_groups_get_as_close_as_they_can():
    records = make_records(30, per_patient=10)
    assert sizes(random_splits(records)[0]) == (10, 10, 10)


def test_what_pairs_cannot_fill_single_images_do():
    records = make_records(44, per_patient=2, malignant=100)[2:] + [
        {"id": f"m{i}", "patient": f"m{i}", "pathology": "malignant"} for i in range(12)
    ]
    for split in random_splits(records, splits=5):
        assert len(split["test"]) == round(54 * 33 / 163)


@pytest.mark.parametrize("seed", range(5))
def test_folds_of_unequal_patients_are_balanced(seed):
    records = [
        {"id": f"{patient}-{i}", "patient": str(patient), "pathology": "benign"}
        for patient in range(9)
        for i in range(5 if patient < 3 else 1)
    ]
    assert [len(split["test"]) for split in k_folds(records, k=3, seed=seed)] == [7, 7, 7]


@pytest.mark.parametrize("count", [3, 4, 5])
def test_fewest_images_fill_every_part(count):
    for split in random_splits(make_records(count), splits=10):
        check_sound(split, make_records(count))


@pytest.mark.parametrize("k", [5, 10])
def test_official_folds(tmp_path, k):
    records = read_dataset(make_bus_bra(tmp_path, patients=30))
    folds = read_official_folds(tmp_path, k)
    for index, split in enumerate(official_folds(records, tmp_path, k)):
        check_sound(split, records)
        assert split["test"] == sorted(key for key, fold in folds.items() if fold == index + 1)
