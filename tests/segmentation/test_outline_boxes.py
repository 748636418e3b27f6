# SPDX-License-Identifier: Apache-2.0
"""Tables of boxes become data sets with masks, or are refused with a message that names the wrong row."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import read_dataset
from monai_kd.data.datasets.boxes import read_boxes
from monai_kd.segmentation.outline_boxes import outline_boxes
from tests.data.layout_fixtures import speckle, write_image
from tests.networks.inside import Ellipse

HEAD = "id,x0,y0,x1,y1\n"


@pytest.fixture
def images(tmp_path):
    for name in ("a", "b", "c"):
        write_image(tmp_path / "scans" / f"{name}.png", speckle(1, (80, 60)))
    return tmp_path / "scans"


def table(folder, rows):
    file = folder / "boxes.csv"
    file.write_text(HEAD + rows)
    return file


def pixels(path):
    return np.asarray(Image.open(path))


def test_boxes_become_a_data_set(images, tmp_path):
    with Image.open(images / "a.png") as image:
        width, height = image.size
    out = tmp_path / "out"
    told = outline_boxes(table(tmp_path, "a,10,20,50,40\nb,5,5,25,25\nb,30,30,50,50\n"), images, out, Ellipse())
    records = read_dataset(out)
    assert [record["id"] for record in records] == ["a", "b"]
    assert told["boxes"]["b"] == [(5.0, 5.0, 25.0, 25.0), (30.0, 30.0, 50.0, 50.0)]
    assert json.loads((out / "boxes.json").read_text())["network"] == "Ellipse"
    mask, soft = pixels(out / "labels" / "a.png"), pixels(out / "soft" / "a.png")
    assert mask.shape == soft.shape == (height, width)
    assert ((mask > 0) == (soft > 127)).all() and len(np.unique(soft)) > 10
    assert (mask > 0).sum() == pytest.approx(np.pi * 20 * 10, rel=0.1)
    rows, columns = np.nonzero(mask)
    assert (columns.mean(), rows.mean()) == pytest.approx((29.5, 29.5), abs=1)
    assert (out / "images" / "a.png").read_bytes() == (images / "a.png").read_bytes()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "holds no box"),
        ("a,10,20,50\n", "line 2: not four numbers"),
        ("a,10,20,50,forty\n", "line 2: not four numbers"),
        ("a,10,20,50,nan\n", "line 2: the box .* is empty"),
        ("a,10,20,10,40\n", "line 2: the box .* is empty. Give its upper left corner first"),
        ("a,1,1,5,5\nb,50,40,10,20\n", "line 3: the box"),
        ("d,10,20,50,40\n", "1 ids in the table of boxes are not images in .*: d"),
        ("a,10,20,5000,40\n", r"a: the box .* is not in the image of \d+ × \d+ pixels"),
        ("a,-1,20,50,40\n", "is not in the image"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(rows, message, images, tmp_path):
    with pytest.raises(ValueError, match=message):
        outline_boxes(table(tmp_path, rows), images, tmp_path / "out", Ellipse())
    assert not (tmp_path / "out").exists()


def test_tables_that_are_none(images, tmp_path):
    with pytest.raises(FileNotFoundError, match="No table of boxes"):
        read_boxes(tmp_path / "none.csv")
    (tmp_path / "boxes.csv").write_text("name,x0\na,1\n")
    with pytest.raises(ValueError, match=r"has no column id, y0, x1, y1\. Its first line must name"):
        read_boxes(tmp_path / "boxes.csv")
    (tmp_path / "boxes.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"is not a CSV table|has no column"):
        read_boxes(tmp_path / "boxes.csv")


def test_the_output_does_not_go_where_the_images_are(images, tmp_path):
    with pytest.raises(ValueError, match="lies in the images"):
        outline_boxes(table(tmp_path, "a,10,20,50,40\n"), images, images / "out", Ellipse())
