# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil

import pytest
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, Lambdad, Resized, Transform
from PIL import Image

from monai_kd.data import BreastUltrasoundDataset, LoadUltrasoundd, PooledDataset, choose_split, read_dataset
from monai_kd.data.splits.few_labels import keep_labels
from monai_kd.phantom import write_phantoms
from tests.data.layout_fixtures import (
    make_breast,
    make_bus_bra,
    make_busi,
    make_dataset_a,
    make_plain,
    speckle,
    write_image,
)

IMAGES = {make_bus_bra: 18, make_busi: 15, make_dataset_a: 10, make_breast: 5}


@pytest.fixture
def labelled(tmp_path):
    return make_plain(tmp_path / "labelled", size=(40, 30))


def pooled(root, unlabelled, **arguments):
    return PooledDataset(root, unlabelled, progress=False, **arguments)


@pytest.mark.parametrize("make", IMAGES, ids=lambda make: make.__name__)
def test_labelled_samples_are_those_of_their_data_set_and_the_pool_is_all_of_the_other(make, labelled, tmp_path):
    pool = tmp_path / "pool"
    make(pool)
    for section in ("training", "validation"):
        alone = BreastUltrasoundDataset(labelled, section, progress=False)
        samples = list(pooled(labelled, pool, section=section))
        assert [sample["has_label"] for sample in samples] == [1] * len(alone) + [0] * len(read_dataset(pool))
        for sample, expected in zip(samples, alone, strict=False):
            assert sample["id"] == expected["id"] and sample["pathology"] == expected["pathology"]
            assert torch.equal(sample["image"], expected["image"]) and torch.equal(sample["label"], expected["label"])


def test_nothing_the_pool_says_reaches_a_sample(labelled, tmp_path):
    pool = make_bus_bra(tmp_path / "pool")
    for mask in (pool / "Masks").iterdir():
        mask.write_bytes(b"no mask at all")
    samples = [sample for sample in pooled(labelled, pool) if not sample["has_label"]]
    assert len(samples) == 18
    for sample in samples:
        assert sample["label"].shape == sample["image"].shape and not sample["label"].any()
        assert (sample["pathology"], sample["patient"]) == ("unknown", "")


def test_pool_of_images_alone(labelled, tmp_path):
    for number in range(3):
        write_image(tmp_path / "pool" / f"{number}.png", speckle(50 + number))
    assert sum(not sample["has_label"] for sample in pooled(labelled, tmp_path / "pool")) == 3


@pytest.mark.parametrize("cache_rate", [0.0, 1.0])
def test_both_are_batched_after_the_same_transform_and_cached(cache_rate, labelled, tmp_path):
    calls = []

    class Count(Transform):
        def __call__(self, sample):
            calls.append(sample["id"])
            return sample

    transform = Compose([LoadUltrasoundd(), Resized(["image", "label"], (16, 16)), Count()])
    dataset = pooled(labelled, make_bus_bra(tmp_path / "pool"), transform=transform, cache_rate=cache_rate)
    assert isinstance(dataset, CacheDataset) and dataset.transform is transform
    assert len(calls) == int(len(dataset) * cache_rate)
    batch = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    assert batch["image"].shape == batch["label"].shape == (len(dataset), 1, 16, 16)
    assert batch["has_label"].shape == (len(dataset),) and batch["has_label"].sum() == len(dataset) - 18


def test_a_classifier_reads_images_alone(labelled, tmp_path):
    transform = Compose([LoadUltrasoundd("image"), Lambdad("pathology", lambda name: int(name == "malignant"))])
    samples = list(pooled(labelled, make_bus_bra(tmp_path / "pool"), transform=transform))
    assert {sample["pathology"] for sample in samples if not sample["has_label"]} == {0}


def test_copies_of_labelled_files_are_left_out(labelled, tmp_path):
    """Otherwise validation and test images would be used in training."""
    pool = tmp_path / "pool"
    for number in range(3):
        write_image(pool / f"{number}.png", speckle(50 + number))
    shutil.copy(labelled / "images" / "case.1.png", pool / "renamed.png")
    assert {s["id"] for s in pooled(labelled, pool) if not s["has_label"]} == {"0", "1", "2"}
    with pytest.raises(ValueError, match=r"All images in .* are copies of those in .*labelled\. Give a folder"):
        pooled(labelled, labelled)


def test_missing_pool(labelled, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pooled(labelled, tmp_path / "nowhere")


def test_mask_that_is_none_is_blank_and_lies_on_its_images_grid(labelled):
    record = next(iter(read_dataset(labelled)))
    loaded = LoadUltrasoundd()({**record, "label": None})
    assert loaded["label"].shape == loaded["image"].shape and not loaded["label"].any() and loaded["image"].any()
    assert torch.equal(loaded["label"].affine, loaded["image"].affine)


# Few labels of one data set


def test_images_of_the_split_that_lost_their_labels_are_the_pool(labelled):
    split = keep_labels(choose_split(labelled), read_dataset(labelled), 3)
    samples = list(pooled(labelled, None, split=split))
    assert [sample["id"] for sample in samples] == split["training"] + sorted(split["unlabelled"])
    assert sum(sample["has_label"] for sample in samples) == len(split["training"]) == 3
    for sample in samples:
        assert bool(sample["label"].any()) == bool(sample["has_label"])


def test_several_folders_and_the_splits_own_pool_together(labelled, tmp_path):
    folders = [tmp_path / "pool" / name for name in ("one", "two")]
    for seed, folder in enumerate(folders):
        for number in range(2):
            write_image(folder / f"{number}.png", speckle(60 + 10 * seed + number))
    split = keep_labels(choose_split(labelled), read_dataset(labelled), 2)
    samples = list(pooled(labelled, folders, split=split))
    assert sum(not sample["has_label"] for sample in samples) == len(split["unlabelled"]) + 4


def test_without_any_unlabelled_image_the_remedy_is_said(labelled):
    with pytest.raises(ValueError, match=r"no unlabelled image: all training images .* Set labels .* or name a folder"):
        pooled(labelled, None)


@pytest.mark.parametrize("change", ["saved anew", "resized"])
def test_a_pool_with_a_test_image_is_refused_by_name(change, tmp_path):
    labelled = tmp_path / "phantoms"
    write_phantoms(labelled, count=8)
    split = choose_split(labelled)
    (path,) = [record["image"] for record in read_dataset(labelled) if record["id"] == split["test"][0]]
    image = Image.open(path)
    if change == "resized":
        image = image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
    (tmp_path / "pool").mkdir()
    image.save(tmp_path / "pool" / "other.bmp")
    with pytest.raises(ValueError, match=rf"show the same .*other\.bmp \({split['test'][0]}\)\. Remove them"):
        pooled(labelled, tmp_path / "pool")


def test_a_picture_of_a_training_image_may_be_in_the_pool(labelled, tmp_path):
    split = choose_split(labelled)
    (path,) = [record["image"] for record in read_dataset(labelled) if record["id"] == split["training"][0]]
    (tmp_path / "pool").mkdir()
    Image.open(path).save(tmp_path / "pool" / "other.bmp")
    assert sum(not sample["has_label"] for sample in pooled(labelled, tmp_path / "pool")) == 1


def test_the_recipe_on_all_labels_is_asked_for_by_a_fraction_of_one(labelled):
    alone = BreastUltrasoundDataset(labelled, progress=False)
    samples = list(pooled(labelled, None, labels=1.0))
    assert [sample["id"] for sample in samples] == [sample["id"] for sample in alone]
    assert {sample["has_label"] for sample in samples} == {1}
    with pytest.raises(ValueError, match=r"There is no unlabelled image"):
        pooled(labelled, None, labels=len(alone))
