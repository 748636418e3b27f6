# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import zipfile

import pytest

from monai_kd.data import read_dataset
from monai_kd.data.layouts.tables import MAX_ROWS, read_csv, read_xlsx
from tests.data.layout_fixtures import make_breast, make_bus_bra, make_dataset_a, write_csv, write_xlsx

CLINICAL = "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx"
MAKERS = {"dataset_a": (make_dataset_a, "DatasetB.xlsx"), "breast": (make_breast, CLINICAL)}


def sheet_of(path, change):
    """Rewrite an Excel table's first sheet."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, change(content) if name == "xl/worksheets/sheet1.xml" else content)
    return path


def without_size(xml):
    return re.sub(b"<dimension[^>]*/>", b"", xml)


@pytest.mark.parametrize("layout", MAKERS)
@pytest.mark.parametrize("content", [b"", b"Image,Type\n1,Benign\n", b"PK\x03\x04 and no more"])
def test_excel_table_that_is_none(tmp_path, layout, content):
    maker, table = MAKERS[layout]
    (maker(tmp_path) / table).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{table} is not an Excel table \(.+\)\. Copy it again"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("layout", MAKERS)
def test_excel_table_with_other_columns(tmp_path, layout):
    maker, table = MAKERS[layout]
    write_xlsx(maker(tmp_path) / table, [("Bild", "Befund"), (1, "Benign")])
    with pytest.raises(ValueError, match=rf"{table} has no column Image.*; it has Bild, Befund"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("layout", "rows", "image"),
    [
        ("dataset_a", [("Image", "Type"), (1, "Benign")], "000002"),
        ("breast", [("Image_filename", "Classification"), ("case001.png", "benign")], "case002"),
    ],
)
def test_image_that_the_excel_table_lacks_is_named_in_the_log(tmp_path, layout, rows, image, caplog):
    maker, table = MAKERS[layout]
    write_xlsx(maker(tmp_path) / table, rows)
    assert {record["pathology"] for record in read_dataset(tmp_path)} == {"benign", "unknown"}
    assert f"{table} has no row for {image}" in caplog.text


def test_rows_that_contradict_each_other(tmp_path):
    rows = [("Image", "Type", "Details"), (1, "Benign", "x"), (1, "benign", "y"), (2, "Benign", "x")]
    write_xlsx(make_dataset_a(tmp_path) / "DatasetB.xlsx", rows)
    assert len(read_dataset(tmp_path)) == 8
    write_xlsx(tmp_path / "DatasetB.xlsx", [*rows, (2, "Malignant", "x")])
    with pytest.raises(ValueError, match=r"DatasetB\.xlsx has two rows for 000002 that differ"):
        read_dataset(tmp_path)


def test_image_of_two_patients(tmp_path):
    table = make_bus_bra(tmp_path) / "bus_data.csv"
    with table.open("a") as stream:
        stream.write("bus_0001-l,7,benign\n")
    with pytest.raises(ValueError, match=r"bus_data\.csv has two rows for bus_0001-l that differ"):
        read_dataset(tmp_path)


def test_short_rows_of_an_excel_table_are_filled_up(tmp_path):
    path = write_xlsx(tmp_path / "1.xlsx", [("Image", "Type"), (1,), (2, "Benign")])
    rows = read_xlsx(sheet_of(path, without_size), ("Type",), "x")
    assert [row["Type"] for row in rows] == [None, "Benign"]


def test_excel_table_that_unpacks_to_all_memory(tmp_path):
    path = sheet_of(write_xlsx(tmp_path / "1.xlsx", [("Image",), (1,)]), lambda xml: xml + b" " * 2**27)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match=r"1\.xlsx is not an Excel table \(its parts are 134,.* bytes unpacked"):
        read_xlsx(path, ("Image",), "x")


def test_rows_without_end(tmp_path):
    path = write_xlsx(tmp_path / "1.xlsx", [("Image",), (1,)])
    sheet_of(
        path, lambda xml: without_size(xml).replace(b'r="2"', b'r="1000000000"').replace(b'"A2"', b'"A1000000000"')
    )
    with pytest.raises(ValueError, match=r"1\.xlsx has more than 100,000 rows"):
        read_xlsx(path, ("Image",), "x")
    write_csv(tmp_path / "1.csv", [("Image",), *[(1,)] * (MAX_ROWS + 1)])
    with pytest.raises(ValueError, match=r"1\.csv has more than 100,000 rows"):
        read_csv(tmp_path / "1.csv", ("Image",))


def test_cell_without_end(tmp_path):
    (tmp_path / "1.csv").write_text('Image\n"' + "x" * 200_000)
    with pytest.raises(ValueError, match=r"1\.csv is not a CSV table \(field larger"):
        read_csv(tmp_path / "1.csv", ("Image",))
