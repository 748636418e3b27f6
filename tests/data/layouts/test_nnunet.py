# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from monai_kd.data import (
    LoadUltrasoundd,
    convert_dataset,
    inspect_dataset,
    list_images,
    random_splits,
    read_dataset,
    read_splits,
    write_splits,
)
from tests.data.layout_fixtures import lesion, make_nn_unet, make_plain, speckle, write_csv, write_image


@pytest.mark.parametrize("suffix", [".png", ".nii.gz", ".nrrd", ".tif"])
def test_cases_with_their_masks_in_any_format(tmp_path, suffix, caplog):
    with caplog.at_level(logging.INFO):
        records = read_dataset(make_nn_unet(tmp_path, 3, suffix))
    assert [record["id"] for record in records] == ["case_01", "case_02", "case_03"]
    assert "left out the 2 images of imagesTs" in caplog.text
    for number, record in enumerate(records, 1):
        loaded = LoadUltrasoundd()(record)
        np.testing.assert_array_equal(loaded["image"].numpy()[0], speckle(number))
        np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(number))
    assert [record["id"] for record in list_images(tmp_path)] == [f"case_{number:02}" for number in range(1, 6)]
    assert inspect_dataset(tmp_path).is_trainable


def test_what_convert_writes_is_read_back_with_its_patients_and_splits(tmp_path):
    source = make_plain(tmp_path / "data", count=8)
    table = [("id", "patient", "pathology"), *((f"case.{n}", f"p{n // 2}", "benign") for n in range(1, 9))]
    write_csv(source / "patients.csv", table)
    records = read_dataset(source)
    write_splits(tmp_path / "splits.json", random_splits(records, 2), "random", "plain", 0)
    out = tmp_path / "Dataset501_Out"
    entries = convert_dataset(source, out, "nnunet", splits=tmp_path / "splits.json")
    back = read_dataset(out)
    assert [record["id"] for record in back] == [entry["id"] for entry in entries]
    assert [record["patient"] for record in back] == [record["patient"] for record in records]
    assert {record["pathology"] for record in back} == {"benign"}
    for one, other in zip(records, back, strict=True):
        first, second = LoadUltrasoundd()(one), LoadUltrasoundd()(other)
        np.testing.assert_array_equal(first["image"].numpy(), second["image"].numpy())
        np.testing.assert_array_equal(first["label"].numpy(), second["label"].numpy())
    assert len(read_splits(out / "splits.json", back)) == 2
    again = convert_dataset(out, tmp_path / "plain", "plain", splits=out / "splits.json")
    assert [entry["source_id"] for entry in again] == [record["id"] for record in back]


def change(root, **changes):
    table = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps({**table, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": {"background": 0, "benign": 1, "malignant": 2}},
            "has 2 labels besides the background: benign, malig",
        ),
        ({"labels": {"background": 0}}, "has 0 labels besides the background"),
        ({"labels": None}, "has no labels"),
        ({"dataset": {}}, "lists the files itself"),
    ],
)
def test_table_that_tells_of_something_else(tmp_path, changes, message):
    change(make_nn_unet(tmp_path, 3), **changes)
    with pytest.raises(ValueError, match=rf"dataset\.json {message}"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\udcff"])
def test_table_that_is_none(tmp_path, text):
    make_nn_unet(tmp_path, 3)
    (tmp_path / "dataset.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"dataset\.json.*Copy it again"):
        read_dataset(tmp_path)


def test_first_version_of_the_format(tmp_path):
    change(make_nn_unet(tmp_path, 3), labels={"0": "background", "1": "lesion"}, modality={"0": "US"})
    assert len(read_dataset(tmp_path)) == 3


def test_missing_images_are_told(tmp_path, caplog):
    change(make_nn_unet(tmp_path, 3), numTraining=5)
    read_dataset(tmp_path)
    assert "lists 5 images, but imagesTr holds 3" in caplog.text


def test_further_channels_and_names_without_one(tmp_path):
    make_nn_unet(tmp_path, 3)
    write_image(tmp_path / "imagesTr" / "case_01_0001.png", speckle(1))
    with pytest.raises(
        ValueError, match=r"1 images in .* are further channels: .*case_01_0001\.png.*Keep the files _0000"
    ):
        read_dataset(tmp_path)
    (tmp_path / "imagesTr" / "case_01_0001.png").rename(tmp_path / "imagesTr" / "case.png")
    with pytest.raises(ValueError, match=r"lack the channel's number: .*case\.png"):
        read_dataset(tmp_path)


def test_image_without_mask(tmp_path):
    make_nn_unet(tmp_path, 3)
    (tmp_path / "labelsTr" / "case_02.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 images .* have no mask: .*case_02_0000\.png"):
        read_dataset(tmp_path)
