# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter

import pytest

from monai_kd.data import read_dataset, read_official_folds
from tests.data.layout_fixtures import make_bus_bra, speckle, write_csv, write_image


def test_case_is_the_patient(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path, patients=12))
    assert len(records) == 18
    assert Counter(Counter(record["patient"] for record in records).values()) == {2: 6, 1: 6}
    assert {record["pathology"] for record in records if record["patient"] == "3"} == {"malignant"}


def test_table_with_byte_order_mark(tmp_path):
    table = make_bus_bra(tmp_path) / "bus_data.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(read_dataset(tmp_path)) == 18


@pytest.mark.parametrize("k", [5, 10])
def test_official_folds(tmp_path, k):
    folds = read_official_folds(make_bus_bra(tmp_path), k)
    assert set(folds) == {record["id"] for record in read_dataset(tmp_path)}
    assert folds["bus_0003-l"] == folds["bus_0003-r"] == 4


def test_no_official_folds_for_another_k(tmp_path):
    with pytest.raises(ValueError, match=r"k = 5 and 10, got k = 7.*k_folds"):
        read_official_folds(make_bus_bra(tmp_path), 7)


def test_fold_that_is_none(tmp_path):
    make_bus_bra(tmp_path)
    write_csv(tmp_path / "5-fold-cv.csv", [("ID", "kFold"), ("bus_0001-l", "NaN")])
    with pytest.raises(ValueError, match="kFold must be 1 to 5, got bus_0001-l: NaN"):
        read_official_folds(tmp_path, 5)


def test_missing_fold_table(tmp_path):
    make_bus_bra(tmp_path)
    (tmp_path / "5-fold-cv.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"5-fold-cv\.csv"):
        read_official_folds(tmp_path, 5)


def test_image_that_the_table_lacks(tmp_path):
    make_bus_bra(tmp_path)
    write_image(tmp_path / "Images" / "bus_0099-l.png", speckle(0))
    write_image(tmp_path / "Masks" / "mask_0099-l.png", speckle(0) > 127)
    with pytest.raises(ValueError, match=r"1 images are not in .*bus_0099-l.*patients are unknown"):
        read_dataset(tmp_path)


def test_row_without_image(tmp_path):
    make_bus_bra(tmp_path)
    (tmp_path / "Images" / "bus_0001-l.png").unlink()
    (tmp_path / "Masks" / "mask_0001-l.png").unlink()
    with pytest.raises(ValueError, match=r"1 rows of .*bus_data\.csv have no image: bus_0001-l"):
        read_dataset(tmp_path)


def test_image_without_mask(tmp_path):
    make_bus_bra(tmp_path)
    (tmp_path / "Masks" / "mask_0001-l.png").unlink()
    with pytest.raises(ValueError, match=r"no mask: .*bus_0001-l\.png"):
        read_dataset(tmp_path)


def test_table_that_is_cut_off(tmp_path):
    table = make_bus_bra(tmp_path) / "bus_data.csv"
    table.write_text(table.read_text()[:-12])
    with pytest.raises(ValueError, match=r"bus_data\.csv is cut off at line 19"):
        read_dataset(tmp_path)


def test_table_that_is_no_text(tmp_path):
    (make_bus_bra(tmp_path) / "bus_data.csv").write_bytes(b"\xff\xfe\x00\x9d")
    with pytest.raises(ValueError, match=r"bus_data\.csv is not a CSV table"):
        read_dataset(tmp_path)


def test_table_without_its_columns(tmp_path):
    write_csv(make_bus_bra(tmp_path) / "bus_data.csv", [("ID", "Pathology")])
    with pytest.raises(ValueError, match="no column Case; it has ID, Pathology"):
        read_dataset(tmp_path)
