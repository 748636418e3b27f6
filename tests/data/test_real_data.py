# SPDX-License-Identifier: Apache-2.0
"""The publishers' own files, where the environment variable MONAI_KD_DATA names the folder that holds them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from monai_kd.data import Breast, check_dataset, k_folds, official_folds, random_splits, read_dataset
from monai_kd.data.splits.groups import require_no_leak

pytestmark = pytest.mark.skipif("MONAI_KD_DATA" not in os.environ, reason="MONAI_KD_DATA is not set")


@pytest.fixture(scope="module")
def folder():
    return Path(os.environ["MONAI_KD_DATA"])


def check_sound(splits, records, content):
    for split in splits:
        assert sorted(key for ids in split.values() for key in ids) == [record["id"] for record in records]
        require_no_leak(split, records, content, "split")


def test_breast(folder):
    records = read_dataset(folder / "BrEaST")
    assert len(records) == 252
    assert Counter(record["pathology"] for record in records) == {"benign": 154, "malignant": 98}
    assert not {record["id"] for record in records} & {"case045", "case061", "case209", "case213"}
    content = check_dataset(records)
    assert len(set(content.values())) == 252
    splits = random_splits(records, content=content)
    assert [len(split["test"]) for split in splits] == [51, 51, 51]
    check_sound([*splits, *k_folds(records, content=content)], records, content)


def test_breast_with_other_masks(folder):
    records = read_dataset(folder / "BrEaST", Breast(other_masks=True))
    several = [record for record in records if isinstance(record["label"], list)]
    assert sum(len(record["label"]) - 1 for record in several) == 14
    check_dataset(several)


def test_bus_bra(folder):
    records = read_dataset(folder / "BUSBRA")
    assert len(records) == 209
    assert len({record["patient"] for record in records}) == 120
    assert Counter(record["pathology"] for record in records) == {"benign": 142, "malignant": 67}
    content = check_dataset(records)
    splits = [*random_splits(records, content=content), *k_folds(records, content=content)]
    for k in (5, 10):
        folds = official_folds(records, folder / "BUSBRA", k, content=content)
        assert len(folds) == k
        assert sum(len(split["test"]) for split in folds) == 209
        splits += folds
    check_sound(splits, records, content)


def test_both_together_are_ambiguous(folder):
    with pytest.raises(ValueError, match="several data sets"):
        read_dataset(folder)
    assert len(read_dataset(folder, "breast")) == 252
