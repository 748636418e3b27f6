# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import check_dataset, read_dataset
from monai_kd.data.image_files.reading import read_mask
from tests.data.layout_fixtures import dataset_a_ids, lesion, make_dataset_a, speckle, write_image, write_xlsx


def test_all_ids_with_their_gap(tmp_path):
    records = read_dataset(make_dataset_a(tmp_path, count=163, size=(6, 5)))
    ids = [record["id"] for record in records]
    assert len(ids) == 163
    assert (ids[0], ids[146], ids[147], ids[162]) == ("000001", "000147", "000295", "000310")
    assert [record["patient"] for record in records] == ids


def test_pathology_comes_from_the_table(tmp_path):
    records = read_dataset(make_dataset_a(tmp_path, count=6))
    assert [record["pathology"] for record in records] == ["benign", "benign", "malignant"] * 2


def test_table_may_hold_ids_as_text(tmp_path):
    root = make_dataset_a(tmp_path, count=2, table=False)
    write_xlsx(root / "DatasetB.xlsx", [("Image", "Type"), ("000001", "Malignant"), (" 000002.png ", "Benign")])
    assert [record["pathology"] for record in read_dataset(root)] == ["malignant", "benign"]


def test_masks_of_both_modes_are_read_alike(tmp_path):
    root = make_dataset_a(tmp_path, count=2)
    assert {Image.open(root / "GT" / f"00000{i}.png").mode for i in (1, 2)} == {"1", "L"}
    for number, record in enumerate(read_dataset(root), 1):
        np.testing.assert_array_equal(read_mask(record["label"]).numpy()[0], lesion(number))


def test_suffix_in_capitals(tmp_path):
    records = read_dataset(make_dataset_a(tmp_path, count=3, suffix=".PNG"))
    assert [record["id"] for record in records] == dataset_a_ids(3)
    assert len(check_dataset(records)) == 3


def test_without_table_pathology_is_unknown(tmp_path):
    make_dataset_a(tmp_path, count=2, table=False)
    with pytest.warns(UserWarning, match=r"No table DatasetB\.xlsx") as warned:
        records = read_dataset(tmp_path)
    assert {record["pathology"] for record in records} == {"unknown"}
    assert len(warned) == 1


def test_without_openpyxl_pathology_is_unknown(tmp_path, monkeypatch):
    make_dataset_a(tmp_path, count=4)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.warns(UserWarning, match="pip install openpyxl") as warned:
        records = read_dataset(tmp_path)
    assert {record["pathology"] for record in records} == {"unknown"}
    assert len(warned) == 1


def test_table_that_is_none(tmp_path):
    make_dataset_a(tmp_path, count=2)
    (tmp_path / "DatasetB.xlsx").write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=r"DatasetB\.xlsx is not an Excel table"):
        read_dataset(tmp_path)


def test_table_without_its_columns(tmp_path):
    make_dataset_a(tmp_path, count=2)
    write_xlsx(tmp_path / "DatasetB.xlsx", [("Image", "Kind"), (1, "Benign")])
    with pytest.raises(ValueError, match="no column Type; it has Image, Kind"):
        read_dataset(tmp_path)


def test_image_without_mask(tmp_path):
    make_dataset_a(tmp_path)
    (tmp_path / "GT" / "000002.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 8 images .* have no mask: .*original/000002\.png"):
        read_dataset(tmp_path)


def test_masks_without_image_are_named_to_five(tmp_path):
    make_dataset_a(tmp_path)
    for number in range(1, 8):
        (tmp_path / "original" / f"00000{number}.png").unlink()
    with pytest.raises(ValueError, match=r"7 of 8 masks .*000001\.png.*000005\.png and 2 more"):
        read_dataset(tmp_path)


def test_two_files_of_one_id(tmp_path):
    make_dataset_a(tmp_path)
    write_image(tmp_path / "original" / "000003.PNG", speckle(3))
    if len(list((tmp_path / "original").iterdir())) == 8:
        pytest.skip("this file system does not tell .PNG from .png")
    with pytest.raises(ValueError, match=r"1 ids have more than one image: .*000003\.PNG = .*000003\.png"):
        read_dataset(tmp_path)
