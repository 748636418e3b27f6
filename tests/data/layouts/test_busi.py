# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pytest

from monai_kd.data import Busi, LoadUltrasoundd, check_dataset, list_images, read_dataset, save_mask
from tests.data.layout_fixtures import corner, lesion, make_busi, speckle, write_image


def by_id(records):
    return {record["id"]: record for record in records}


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_images_with_lesions_are_read_and_normal_ones_left_out(tmp_path, suffix, caplog):
    with caplog.at_level(logging.INFO):
        records = read_dataset(make_busi(tmp_path, suffix=suffix))
    assert Counter(record["pathology"] for record in records) == {"benign": 5, "malignant": 5}
    assert "left out the 5 images of normal/" in caplog.text
    assert [record["id"] for record in records][:2] == ["benign (1)", "benign (2)"]
    assert len({record["patient"] for record in records}) == 10
    check_dataset(records)


def test_masks_of_every_mode(tmp_path):
    records = by_id(read_dataset(make_busi(tmp_path)))
    for index in (1, 3, 4, 5):
        loaded = LoadUltrasoundd()(records[f"malignant ({index})"])
        np.testing.assert_array_equal(loaded["image"].numpy()[0], speckle(100 + index))
        np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(100 + index))


def test_masks_of_one_image_are_joined(tmp_path):
    record = by_id(read_dataset(make_busi(tmp_path)))["benign (2)"]
    assert [path.rsplit("_mask", 1)[1] for path in record["label"]] == [".png", "_1.png", "_2.png"]
    expected = lesion(2) | corner() | corner()[::-1]
    np.testing.assert_array_equal(LoadUltrasoundd()(record)["label"].numpy()[0], expected)


def test_normal_images_on_request(tmp_path):
    records = read_dataset(make_busi(tmp_path), Busi(normal=True))
    assert Counter(record["pathology"] for record in records) == {"benign": 5, "malignant": 5, "normal": 5}
    normal = LoadUltrasoundd()(by_id(records)["normal (3)"])
    assert normal["label"].max() == 0


def test_normal_images_that_are_not_there(tmp_path):
    make_busi(tmp_path)
    (tmp_path / "normal").rename(tmp_path.parent / "elsewhere")
    assert len(read_dataset(tmp_path)) == 10
    with pytest.raises(ValueError, match="has no images in a folder normal"):
        read_dataset(tmp_path, Busi(normal=True))


def test_image_without_mask_and_mask_without_image(tmp_path):
    make_busi(tmp_path)
    (tmp_path / "malignant" / "malignant (4)_mask.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 10 images .* have no mask: .*malignant \(4\)\.png"):
        read_dataset(tmp_path)
    (tmp_path / "malignant" / "malignant (4).png").unlink()
    (tmp_path / "benign" / "benign (2).png").unlink()
    with pytest.raises(ValueError, match=r"1 of 9 masks .* have no image: .*benign \(2\)_mask\.png"):
        read_dataset(tmp_path)


def test_folders_of_classes_without_masks_are_another_data_set(tmp_path):
    for kind in ("benign", "malignant"):
        write_image(tmp_path / kind / "1.png", speckle(1))
    with pytest.raises(ValueError, match=r"'busi' lacks folder benign with masks, folder malignant with masks"):
        read_dataset(tmp_path)


def test_masks_are_not_listed_as_images_and_names_are_kept(tmp_path):
    listed = list_images(make_busi(tmp_path))
    assert len(listed) == 10
    loaded = LoadUltrasoundd()(listed[0])["image"]
    assert save_mask(loaded, tmp_path / "masks").name == "benign (1).png"
