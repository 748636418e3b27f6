# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from monai_kd.data import k_folds, official_folds, random_splits, read_dataset
from tests.data.layout_fixtures import make_bus_bra, write_csv
from tests.data.test_splits import make_records


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_images(count):
    with pytest.raises(ValueError, match=f"{count} images of {count} patients .* cannot be split into 3 parts"):
        random_splits(make_records(count))


def test_too_few_patients():
    with pytest.raises(ValueError, match=r"20 images of 2 patients .* at least 3 patients"):
        random_splits(make_records(20, per_patient=10))
    with pytest.raises(ValueError, match=r"8 images of 4 patients .* cannot be split into 5 parts"):
        k_folds(make_records(8, per_patient=2), k=5)
    with pytest.raises(ValueError, match=r"Split 0 has .* patients for testing"):
        k_folds(make_records(3), k=2)


def test_too_few_images_when_duplicates_count_once():
    with pytest.raises(ValueError, match=r"4 images of 1 patients \(duplicates count once\)"):
        random_splits(make_records(4), content=dict.fromkeys(("000", "001", "002", "003"), "same"))


@pytest.mark.parametrize("name", ["train_fraction", "validation_fraction"])
@pytest.mark.parametrize("value", [0, 1, 1.3, -0.1])
def test_fraction_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and 1, got {value}"):
        random_splits(make_records(20), **{name: value})


def test_k_of_one():
    with pytest.raises(ValueError, match=r"k \(folds\) must be at least 2, got 1"):
        k_folds(make_records(20), k=1)


def test_official_folds_that_part_a_patient(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path, patients=6))
    folds = {**{r["id"]: 1 + int(r["patient"]) % 5 for r in records}, "bus_0001-r": 5}
    write_csv(tmp_path / "5-fold-cv.csv", [("ID", "kFold"), *folds.items()])
    with pytest.raises(ValueError, match=r"bus_0001-l \(fold 2\) and bus_0001-r \(fold 5\) share a patient"):
        official_folds(records, tmp_path)


def test_image_in_no_official_fold(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path, patients=6))
    write_csv(tmp_path / "5-fold-cv.csv", [("ID", "kFold"), ("bus_0001-l", 1)])
    with pytest.raises(ValueError, match=r"8 images are in no official fold: bus_0001-r.*k_folds"):
        official_folds(records, tmp_path)
