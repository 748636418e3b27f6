# SPDX-License-Identifier: Apache-2.0
"""Images and masks given as a list, in place of those of a data set's folder."""

from __future__ import annotations

import pytest
import torch

from monai_kd.data import BreastUltrasoundDataset, PooledDataset, choose_split, random_splits, read_dataset
from monai_kd.data.records.listed_pairs import given_records
from tests.data.layout_fixtures import lesion, make_plain, speckle, write_image

NOWHERE = "no/such/folder"


@pytest.fixture
def pairs(tmp_path):
    """As MONAI Label gives them: pictures, and masks in the formats of its clients."""
    data = []
    for number, suffix in enumerate((".png", ".nii.gz", ".nrrd")):
        image = write_image(tmp_path / "study" / f"case {number}.png", speckle(number))
        mask = lesion(number).astype("uint8")[..., None] if suffix != ".png" else lesion(number)
        label = write_image(tmp_path / "study" / "labels" / "final" / f"case {number}{suffix}", mask)
        data.append({"image": str(image), "label": str(label)})
    return data


def test_samples_are_those_of_the_list_and_no_folder_is_read(pairs):
    dataset = BreastUltrasoundDataset(NOWHERE, data=pairs, progress=False)
    assert [sample["id"] for sample in dataset] == ["case 0", "case 1", "case 2"]
    for number, sample in enumerate(dataset):
        assert torch.equal(sample["image"][0].as_tensor(), torch.as_tensor(speckle(number)).float())
        assert torch.equal(sample["label"][0].as_tensor() > 0, torch.as_tensor(lesion(number)))
        assert (sample["patient"], sample["pathology"]) == (sample["id"], "unknown")


def test_a_list_comes_before_a_split(pairs):
    dataset = BreastUltrasoundDataset(NOWHERE, "validation", {"training": ["other"]}, data=pairs[:1], progress=False)
    assert [sample["id"] for sample in dataset] == ["case 0"]


def test_what_is_known_is_kept(pairs):
    known = [{**pair, "id": f"{n}", "patient": "A", "pathology": "benign"} for n, pair in enumerate(pairs)]
    assert given_records(known, "test") == known
    dataset = BreastUltrasoundDataset(NOWHERE, data=known, classes=("benign", "malignant"), section="test")
    assert [sample["label"] for sample in dataset] == [0, 0, 0]


def test_a_list_takes_a_pool_of_unlabelled_images(pairs, tmp_path):
    pool = tmp_path / "pool"
    for number in range(2, 5):
        write_image(pool / f"{number}.png", speckle(number))
    samples = list(PooledDataset(NOWHERE, pool, data=pairs, progress=False))
    assert [(sample["id"], sample["has_label"]) for sample in samples] == [
        ("case 0", 1), ("case 1", 1), ("case 2", 1), ("3", 0), ("4", 0),
    ]  # fmt: skip
    for sample in pool.iterdir():
        sample.unlink()
    write_image(pool / "0.png", speckle(0))
    with pytest.raises(ValueError, match=r"All images in .*pool are copies of those in the list"):
        PooledDataset(NOWHERE, pool, data=pairs)


def test_the_split_of_two_lists_needs_no_folder(pairs):
    split = choose_split(NOWHERE, given={"training": pairs[:2], "validation": pairs[2:]})
    assert split == {"training": ["case 0", "case 1"], "validation": ["case 2"], "test": []}


def test_a_list_replaces_one_part_of_the_folders_split(pairs, tmp_path):
    folder = make_plain(tmp_path / "folder")
    split = random_splits(read_dataset(folder))[0]
    assert choose_split(folder, given={"training": pairs, "validation": None}) == {
        **split,
        "training": ["case 0", "case 1", "case 2"],
    }
    assert choose_split(folder, given={"training": None, "validation": None}) == split
    with pytest.raises(FileNotFoundError, match=NOWHERE):
        choose_split(NOWHERE, given={"training": pairs, "validation": None})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda pairs: [], r"The list of validation images is empty\. Give at least one"),
        (lambda pairs: [{"image": "a.png"}], "1 of 1 validation images lack label"),
        (
            lambda pairs: [*pairs, {**pairs[0], "label": "b.png"}],
            r"1 ids belong to more than one validation image: case 0\. Rename",
        ),
    ],
)
def test_user_errors(spoil, message, pairs):
    with pytest.raises(ValueError, match=message):
        BreastUltrasoundDataset(NOWHERE, "validation", data=spoil(pairs), progress=False)


def test_a_missing_file_is_named(pairs, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        BreastUltrasoundDataset(NOWHERE, data=[{**pairs[0], "label": str(tmp_path / "none.png")}], progress=False)
    assert "No file" in str(caught.value.__cause__) and "none.png" in str(caught.value.__cause__)
