# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.transforms import Compose, RandFlipd, Resized, SpatialCrop

from monai_kd.data import LoadUltrasoundd, read_dataset
from monai_kd.phantom import CLASSES, PhantomDataset, PhantomSettings, draw_phantom, phantom, write_phantoms

SMALL = Resized(["image", "label"], (32, 24), mode=["bilinear", "nearest"])


def test_items_are_what_is_written_and_loaded(tmp_path):
    write_phantoms(tmp_path, count=2, seed=3)
    dataset = PhantomDataset(5, seed=3)
    for item, record in zip(dataset, read_dataset(tmp_path), strict=False):
        loaded = LoadUltrasoundd()(record)
        for key in ("image", "label"):
            assert isinstance(item[key], MetaTensor) and item[key].dtype == torch.float32
            assert torch.equal(item[key], loaded[key])
            assert item[key].meta.keys() == loaded[key].meta.keys()
        assert all(item[key] == record[key] for key in ("id", "patient", "pathology"))
        assert CLASSES[item["class"]] == record["pathology"]


def test_random_access_to_a_hundred_thousand():
    dataset = PhantomDataset(seed=1)
    assert len(dataset) == 100_000
    last = dataset[99_999]
    assert last["id"] == "100000"
    assert np.array_equal(last["image"][0].numpy().T, phantom(100_000, seed=1)[0])
    assert torch.equal(dataset[-1]["image"], last["image"])
    assert len(dataset[10:20]) == 10
    with pytest.raises(IndexError):
        dataset[100_000]


def test_an_item_depends_on_neither_count_nor_what_was_asked_before():
    few, many = PhantomDataset(3), PhantomDataset(1000)
    many[7]
    assert torch.equal(few[2]["image"], many[2]["image"])


def test_it_ends():
    assert [item["id"] for item in PhantomDataset(2)] == ["000001", "000002"]


def test_workers_give_what_the_main_process_gives():
    dataset = pickle.loads(pickle.dumps(PhantomDataset(4, transform=SMALL)))
    alone, shared = (next(iter(DataLoader(dataset, batch_size=4, num_workers=workers))) for workers in (0, 2))
    assert alone["image"].shape == (4, 1, 32, 24)
    for key in ("image", "label", "class", "box"):
        assert torch.equal(torch.as_tensor(alone[key]), torch.as_tensor(shared[key]))
    assert alone["id"] == shared["id"] == ["000001", "000002", "000003", "000004"]


def test_random_transforms_and_caching_are_monais():
    dataset = PhantomDataset(3, transform=Compose([SMALL, RandFlipd(["image", "label"], prob=1, spatial_axis=0)]))
    flipped, plain = dataset[0]["image"], PhantomDataset(3, transform=SMALL)[0]["image"]
    assert torch.equal(flipped, plain.flip(1))
    cached = CacheDataset([PhantomDataset(3)[1]], transform=[SMALL], progress=False)
    assert cached[0]["image"].shape == (1, 32, 24)


def test_the_box_crops_the_margins_off():
    item = PhantomDataset(2, settings=PhantomSettings(margins=True))[1]
    cropped = SpatialCrop(roi_start=item["box"][0], roi_end=item["box"][1])(item["image"])
    assert np.array_equal(cropped[0].numpy().T, phantom(2)[0])


def test_classes_and_millimeters():
    dataset = PhantomDataset(12, settings=PhantomSettings(normal_fraction=0.5))
    items = list(dataset)
    assert {item["pathology"] for item in items} == set(CLASSES)
    assert all((item["pathology"] == "normal") == (item["label"].max() == 0) for item in items)
    spacing = draw_phantom(1).spacing
    assert items[0]["image"].pixdim[:2].tolist() == pytest.approx(spacing[::-1])


@pytest.mark.parametrize(("count", "seed", "message"), [(0, 0, "got 0"), (3, -1, "seed")])
def test_bad_numbers_are_refused(count, seed, message):
    with pytest.raises(ValueError, match=message):
        PhantomDataset(count, seed=seed)
