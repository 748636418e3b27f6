# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import Breast, check_dataset, read_dataset
from monai_kd.data.image_files.reading import read_image, read_mask
from tests.data.layout_fixtures import lesion, make_breast, speckle

FOLDER = "BrEaST-Lesions_USG-images_and_masks"


def test_the_four_normal_cases_are_left_out_and_named(tmp_path, caplog):
    make_breast(tmp_path, cases=(1, 45, 61, 209, 213, 250))
    with caplog.at_level(logging.INFO, logger="monai_kd"):
        records = read_dataset(tmp_path)
    assert [record["id"] for record in records] == ["case001", "case250"]
    assert "case045, case061, case209, case213" in caplog.text


def test_pathology_and_patient(tmp_path):
    records = read_dataset(make_breast(tmp_path))
    assert [record["pathology"] for record in records] == ["benign", "benign", "malignant", "benign", "benign"]
    assert [record["patient"] for record in records] == [record["id"] for record in records]


def test_images_folder_itself_finds_the_table_beside_it(tmp_path):
    records = read_dataset(make_breast(tmp_path) / FOLDER)
    assert records[2]["pathology"] == "malignant"


def test_transparent_areas_become_black(tmp_path):
    record = read_dataset(make_breast(tmp_path))[1]
    expected = speckle(2).astype(np.float32)
    assert expected[:5].any()
    expected[:5] = 0
    np.testing.assert_array_equal(read_image(record["image"]).numpy()[0], expected)


def test_masks_are_read_from_color_never_from_alpha(tmp_path):
    for number, record in enumerate(read_dataset(make_breast(tmp_path)), 1):
        assert Image.open(record["label"]).mode == "RGBA"
        np.testing.assert_array_equal(read_mask(record["label"]).numpy()[0], lesion(number))


def test_other_masks_are_off_unless_asked_for(tmp_path):
    make_breast(tmp_path)
    other = np.zeros_like(lesion(1))
    other[8:12, 1:3] = True
    np.testing.assert_array_equal(read_mask(read_dataset(tmp_path)[0]["label"]).numpy()[0], lesion(1))
    records = read_dataset(tmp_path, Breast(other_masks=True))
    np.testing.assert_array_equal(read_mask(records[0]["label"]).numpy()[0], lesion(1) | other)
    assert len(check_dataset(records)) == 5


def test_another_case_without_mask(tmp_path):
    make_breast(tmp_path)
    (tmp_path / FOLDER / "case002_tumor.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 6 images .* no tumor mask: .*case002\.png.*case045"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("kind", ["tumor", "other1"])
def test_mask_without_image(tmp_path, kind):
    make_breast(tmp_path)
    (tmp_path / FOLDER / "case001_tumor.png").rename(tmp_path / FOLDER / f"case099_{kind}.png")
    with pytest.raises(ValueError, match=rf"no image: .*case099_{kind}\.png"):
        read_dataset(tmp_path)


def test_without_table_pathology_is_unknown(tmp_path):
    make_breast(tmp_path)
    next(tmp_path.glob("*.xlsx")).unlink()
    with pytest.warns(UserWarning, match="No table BrEaST-Lesions-USG-clinical-data"):
        assert {record["pathology"] for record in read_dataset(tmp_path)} == {"unknown"}
