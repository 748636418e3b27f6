# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from monai.bundle import ConfigParser

from monai_kd.data import check_dataset, choose_split, k_folds, random_splits, read_dataset, write_splits
from tests.data.layout_fixtures import lesion, make_bus_bra, make_dataset_a, make_plain, write_image


def test_random_by_default(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path))
    assert choose_split(tmp_path, fold=4, seed=3) == random_splits(records, splits=5, seed=3)[4]


def test_split_file_is_followed(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path / "data"))
    splits = k_folds(records, k=3)
    write_splits(tmp_path / "splits.json", splits, "3 folds", "bus_bra", seed=0)
    assert choose_split(tmp_path / "data", split_file=tmp_path / "splits.json", fold=2) == splits[2]


@pytest.mark.parametrize("fold", [-1, 3])
def test_fold_that_the_file_lacks(tmp_path, fold):
    records = read_dataset(make_bus_bra(tmp_path / "data"))
    write_splits(tmp_path / "splits.json", random_splits(records), "random", "bus_bra", seed=0)
    with pytest.raises(ValueError, match=rf"splits\.json holds splits 0 to 2, got fold {fold}"):
        choose_split(tmp_path / "data", split_file=tmp_path / "splits.json", fold=fold)


def test_negative_fold(tmp_path):
    with pytest.raises(ValueError, match="fold counts from 0, got -1"):
        choose_split(make_plain(tmp_path), fold=-1)


def test_one_image(tmp_path):
    with pytest.raises(ValueError, match="1 images of 1 patients"):
        choose_split(make_plain(tmp_path, count=1))


def test_bad_image_is_found_unless_the_check_is_off(tmp_path):
    make_plain(tmp_path)
    write_image(tmp_path / "labels" / "case.3.png", lesion(1, (3, 2)))
    with pytest.raises(ValueError, match=r"1 of 8 records cannot be used:\n +case\.3: .*case\.3\.png is 3 × 2"):
        choose_split(tmp_path)
    assert sum(len(part) for part in choose_split(tmp_path, check=False).values()) == 8


def test_duplicate_across_a_split_file(tmp_path):
    make_dataset_a(tmp_path / "BUS", duplicates={"000002": "000001"})
    records = read_dataset(tmp_path)
    content = check_dataset(records)
    unaware = next(
        split
        for split in random_splits(records, splits=99)
        if len({part for part, keys in split.items() if {"000001", "000002"} & set(keys)}) == 2
    )
    assert content["000001"] == content["000002"]
    write_splits(tmp_path / "splits.json", [unaware], "random", "dataset_a", seed=0)
    with pytest.raises(ValueError, match=r"000001 \(\w+\) and 000002 \(\w+\) show the same picture"):
        choose_split(tmp_path, split_file=tmp_path / "splits.json")


def test_bundle_config_calls_it(tmp_path):
    make_plain(tmp_path)
    config = {
        "parts": {"_target_": "monai_kd.data.choose_split", "dataset_dir": str(tmp_path), "fold": 1},
        "count": "$len(@parts['training'])",
    }
    assert ConfigParser(config).get_parsed_content("count") == 5
