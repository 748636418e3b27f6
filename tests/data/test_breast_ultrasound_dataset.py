# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, Resized, Transform

from monai_kd.data import (
    BreastUltrasoundDataset,
    LoadUltrasoundd,
    k_folds,
    random_splits,
    read_dataset,
    write_splits,
)
from tests.data.layout_fixtures import lesion, make_bus_bra, make_plain, write_image

SECTIONS = ("training", "validation", "test")


def ids(dataset):
    return [sample["id"] for sample in dataset]


def test_sections_are_those_of_the_papers_random_split(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path))
    for fold in (0, 1):
        expected = random_splits(records, splits=2)[fold]
        found = {name: ids(BreastUltrasoundDataset(tmp_path, name, fold=fold, progress=False)) for name in SECTIONS}
        assert found == expected


def test_without_a_transform_samples_are_image_and_label(tmp_path):
    sample = BreastUltrasoundDataset(make_plain(tmp_path), "test", progress=False)[0]
    record = next(record for record in read_dataset(tmp_path) if record["id"] == sample["id"])
    assert torch.equal(sample["image"], LoadUltrasoundd()(record)["image"])
    assert sample["label"].unique().tolist() == [0, 1]


@pytest.mark.parametrize("cache_rate", [0.0, 0.5, 1.0])
def test_it_is_monais_cache_dataset(tmp_path, cache_rate):
    calls = []

    class Count(Transform):
        def __call__(self, sample):
            calls.append(sample["id"])
            return sample

    transform = Compose([LoadUltrasoundd(), Resized(["image", "label"], (16, 16)), Count()])
    dataset = BreastUltrasoundDataset(make_plain(tmp_path), transform=transform, cache_rate=cache_rate, progress=False)
    assert isinstance(dataset, CacheDataset)
    assert len(calls) == int(len(dataset) * cache_rate)
    batch = next(iter(DataLoader(dataset, batch_size=3)))
    assert batch["image"].shape == (3, 1, 16, 16)
    assert dataset.transform is transform


def test_a_split_by_its_ids_or_its_file(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path / "data"))
    folds = k_folds(records, 3)
    write_splits(tmp_path / "splits.json", folds, "3 folds", "bus_bra", seed=0)
    by_ids = BreastUltrasoundDataset(tmp_path / "data", "test", split=folds[1], progress=False)
    by_file = BreastUltrasoundDataset(tmp_path / "data", "test", tmp_path / "splits.json", fold=1, progress=False)
    assert ids(by_ids) == ids(by_file) == folds[1]["test"]


def test_bad_files_are_found_before_anything_is_cached(tmp_path):
    write_image(make_plain(tmp_path) / "labels" / "case.3.png", lesion(1, (3, 2)))
    with pytest.raises(ValueError, match=r"case\.3"):
        BreastUltrasoundDataset(tmp_path, "test", cache_rate=0)
    BreastUltrasoundDataset(tmp_path, "test", cache_rate=0, check=False)


def test_user_errors(tmp_path):
    make_plain(tmp_path)
    with pytest.raises(ValueError, match=r"No section 'train'\. Closest: 'training'"):
        BreastUltrasoundDataset(tmp_path, "train")
    with pytest.raises(ValueError, match=r"1 ids of the split are not in .*: nobody"):
        BreastUltrasoundDataset(tmp_path, "test", split={"test": ["case.1", "nobody"]})
    with pytest.raises(ValueError, match="has the parts test, but not 'training'"):
        BreastUltrasoundDataset(tmp_path, split={"test": ["case.1"]})
    with pytest.raises(FileNotFoundError, match="No folder"):
        BreastUltrasoundDataset(tmp_path / "nowhere")
