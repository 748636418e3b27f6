# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import BusUclm, LoadUltrasoundd, check_dataset, k_folds, random_splits, read_dataset
from monai_kd.data.image_files.reading import read_mask
from monai_kd.data.splits.groups import groups_of
from tests.data.layout_fixtures import colored, lesion, make_bus_uclm, speckle, write_image


def test_lesions_are_read_and_the_rest_named_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        records = read_dataset(make_bus_uclm(tmp_path))
    ids = [record["id"] for record in records]
    assert ids[:3] == ["ALWI_000", "ALWI_001", "ALWI_002"]
    assert not {key for key in ids if key.endswith("_003")}
    assert "HESN_000" not in ids
    assert len(ids) == 11
    assert "left out 4 normal images" in caplog.text
    assert "left out HESN_000, whose masks have another size" in caplog.text
    assert {record["id"]: record["patient"] for record in records}["CHCO_001"] == "CHCO"
    assert [record["pathology"] for record in records][:3] == ["benign", "malignant", "benign"]


def test_normal_images_on_request(tmp_path):
    records = {record["id"]: record for record in read_dataset(make_bus_uclm(tmp_path), BusUclm(normal=True))}
    assert len(records) == 15
    assert records["ALWI_003"]["pathology"] == "normal"
    assert LoadUltrasoundd()(records["ALWI_003"])["label"].max() == 0


def test_either_color_is_foreground(tmp_path):
    records = read_dataset(make_bus_uclm(tmp_path))
    for number, record in enumerate(records[:3]):
        loaded = LoadUltrasoundd()(record)
        np.testing.assert_array_equal(loaded["label"].numpy()[0], lesion(number))
        np.testing.assert_array_equal(loaded["image"].numpy()[0], speckle(number))


def test_two_lesions_of_two_colors_are_one_foreground(tmp_path):
    left, right = np.zeros((2, 40, 28), dtype=bool)
    left[2:8, 3:9] = right[20:30, 10:20] = True
    both = colored(left, "Benign") + colored(right, "Malignant")
    np.testing.assert_array_equal(read_mask(write_image(tmp_path / "1.png", both)).numpy()[0], left | right)


@pytest.mark.parametrize("kind", ["Benign", "Malignant"])
@pytest.mark.parametrize("blur", ["JPEG", "JPEG with halved colors", "resampled"])
def test_colored_mask_with_soft_edges(tmp_path, kind, blur):
    mask = lesion(1, (320, 240))
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(colored(mask, kind), 0, 1)))
    path = tmp_path / ("1.png" if blur == "resampled" else "1.jpg")
    if blur == "resampled":
        picture.resize((160, 120), Image.Resampling.BICUBIC).resize((320, 240), Image.Resampling.BICUBIC).save(path)
    else:
        picture.save(path, quality=75, subsampling=2 if "halved" in blur else 0)
    assert (read_mask(path).numpy()[0] != mask).mean() < 0.02


def test_duplicates_across_patients_stay_together(tmp_path):
    records = read_dataset(make_bus_uclm(tmp_path, patients=("ALWI", "BEKI", "CHCO", "CHVI", "HESN", "MORA")))
    content = check_dataset(records)
    assert content["CHCO_000"] == content["CHVI_001"]
    together = {record["patient"] for group in groups_of(records, content) for record in group if len(group) > 4}
    assert together == {"CHCO", "CHVI"}
    for split in [*random_splits(records, content=content), *k_folds(records, k=3, content=content)]:
        part_of = {key: part for part, keys in split.items() for key in keys}
        assert len({part_of[key] for key in part_of if key[:4] in together}) == 1


def test_mask_of_another_size_elsewhere_is_an_error(tmp_path):
    make_bus_uclm(tmp_path)
    write_image(tmp_path / "masks" / "ALWI_001.png", colored(lesion(1, (44, 28)), "Malignant"))
    with pytest.raises(ValueError, match=r"ALWI_001: .*masks.ALWI_001\.png is 44 × 28 pixels but"):
        check_dataset(read_dataset(tmp_path))


def change(table, old, new):
    text = table.read_text(encoding="utf-8")
    assert old in text
    table.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Image;", "File;", "no column Image; it has File, Resolution, Label"),
        (";", ",", "no column Image, Label; it has Image,Resolution"),
        ("ALWI_001.png;40x28;Malignant;No;Yes;No\n", "", r"1 images are not in .*INFO\.csv: ALWI_001\. Their patients"),
        ("ALWI_001.png;", "ALWI_099.png;", "1 images are not in"),
        ("ALWI_001.png;", "ALWI_000.png;", r"INFO\.csv has two rows for ALWI_000 that differ"),
        ("ALWI_001.png;40x28;Malignant;No;Yes;No\n", "ALWI_001.png;40x28\n", r"INFO\.csv is cut off at line 3"),
    ],
)
def test_table_that_does_not_fit(tmp_path, old, new, message):
    change(make_bus_uclm(tmp_path) / "INFO.csv", old, new)
    with pytest.raises(ValueError, match=message):
        read_dataset(tmp_path)


def test_row_without_image(tmp_path):
    make_bus_uclm(tmp_path)
    for folder in ("images", "masks"):
        (tmp_path / folder / "ALWI_000.png").unlink()
    with pytest.raises(ValueError, match=r"1 rows of .*INFO\.csv have no image: ALWI_000"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("suffix", ["", ".PNG"])
def test_ids_in_the_table_with_and_without_suffix(tmp_path, suffix):
    change(make_bus_uclm(tmp_path) / "INFO.csv", ".png", suffix)
    assert len(read_dataset(tmp_path)) == 11
