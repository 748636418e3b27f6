# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from monai.transforms import Compose, RandGaussianNoised
from PIL import Image

from monai_kd.data import BreastUltrasoundDataset, LoadUltrasoundd, UnlabelledDataset
from monai_kd.phantom import write_phantoms


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "data"
    write_phantoms(folder, count=4)
    return folder


def test_nothing_of_the_masks_reaches_the_samples(phantoms):
    dataset = UnlabelledDataset(phantoms, LoadUltrasoundd(), progress=False)
    assert [record["label"] for record in dataset.data] == [None] * 4
    assert all(set(record) == {"id", "image", "label"} for record in dataset.data)
    for sample in dataset:
        assert sample["label"].shape == sample["image"].shape and not sample["label"].any()


def test_images_are_those_of_the_labelled_data_set(phantoms):
    split = {"training": ["000002", "000004"], "validation": [], "test": []}
    labelled = BreastUltrasoundDataset(phantoms, split=split, progress=False)
    unlabelled = UnlabelledDataset(phantoms, LoadUltrasoundd(), ids=split["training"], progress=False)
    assert [sample["id"] for sample in unlabelled] == split["training"]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(unlabelled, labelled, strict=True))


def test_masks_are_never_opened(phantoms, tmp_path):
    """Not even damaged masks are opened."""
    for file in ("DatasetB.xlsx", *(f"{part}/00000{i}.png" for part in ("original", "GT") for i in range(1, 5))):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(Path(phantoms, file).read_bytes() if "GT" not in file else b"no mask")
    assert len(UnlabelledDataset(tmp_path, LoadUltrasoundd(), progress=False)) == 4


def test_a_folder_of_images_alone_will_do(tmp_path):
    for name in ("b", "a"):
        Image.new("L", (6, 5), 9).save(tmp_path / f"{name}.png")
    dataset = UnlabelledDataset(tmp_path, LoadUltrasoundd(), progress=False)
    assert [sample["id"] for sample in dataset] == ["a", "b"]
    assert dataset[0]["image"].shape == (1, 6, 5)


def test_ids_that_are_not_there_are_named(phantoms):
    with pytest.raises(ValueError, match=r"1 ids of the split are not in .*: 000009\. Use the split of this data set"):
        UnlabelledDataset(phantoms, LoadUltrasoundd(), ids=["000001", "000009"])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        UnlabelledDataset(tmp_path / "none", LoadUltrasoundd())


def test_random_numbers_of_a_shared_transform_stay_what_they_were(phantoms):
    transform = Compose([LoadUltrasoundd(), RandGaussianNoised("image", prob=1.0)]).set_random_state(seed=0)
    alone = Compose([LoadUltrasoundd(), RandGaussianNoised("image", prob=1.0)]).set_random_state(seed=0)
    dataset = UnlabelledDataset(phantoms, transform, progress=False)
    assert len(list(dataset)) == 4  # each draws random numbers
    record = BreastUltrasoundDataset(phantoms, progress=False, cache_num=0).data[0]
    assert torch.equal(transform(record)["image"], alone(record)["image"])
