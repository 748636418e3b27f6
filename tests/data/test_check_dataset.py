# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from monai_kd.data import check_dataset, read_dataset
from tests.data.layout_fixtures import lesion, make_dataset_a, make_plain, speckle, write_image


def test_duplicates_have_equal_hashes_and_others_not(tmp_path):
    make_dataset_a(tmp_path, duplicates={"000005": "000002"})
    content = check_dataset(read_dataset(tmp_path))
    assert list(content) == [f"00000{number}" for number in range(1, 9)]
    assert content["000005"] == content["000002"]
    assert len(set(content.values())) == 7


def test_hash_is_of_the_pixels_and_not_of_the_file(tmp_path):
    paths = [write_image(tmp_path / name, speckle(1)) for name in ("1.png", "2.bmp", "3.nii.gz", "4.nrrd")]
    content = check_dataset([{"id": path.name, "image": path} for path in paths])
    assert len(set(content.values())) == 1


def test_hash_tells_shapes_apart(tmp_path):
    paths = [write_image(tmp_path / f"{w}.png", np.zeros((w, 24 // w), dtype=np.uint8)) for w in (4, 6)]
    assert len(set(check_dataset([{"id": path.name, "image": path} for path in paths]).values())) == 2


@pytest.mark.parametrize("suffix", [".nrrd", ".dcm", ".nii.gz"])
def test_other_formats_load_in_threads(tmp_path, suffix):
    assert len(check_dataset(read_dataset(make_plain(tmp_path, suffix=suffix)))) == 8


def test_progress_is_told_after_each_record(tmp_path):
    calls = []
    caller = threading.get_ident()
    check_dataset(
        read_dataset(make_plain(tmp_path, count=4)), lambda *done: calls.append((*done, threading.get_ident()))
    )
    assert calls == [(done, 4, caller) for done in (1, 2, 3, 4)]


def test_all_problems_come_in_one_error(tmp_path):
    make_plain(tmp_path, count=12)
    records = read_dataset(tmp_path)
    (tmp_path / "images/case.1.png").write_bytes(b"<html>")
    (tmp_path / "images/case.2.png").unlink()
    write_image(tmp_path / "labels/case.3.png", lesion(3, (9, 8)))
    write_image(tmp_path / "labels/case.4.png", speckle(4) % 3)
    with pytest.raises(ValueError, match=r"^4 of 12 records cannot be used:\n") as error:
        check_dataset(records)
    lines = str(error.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == ["case.1", "case.2", "case.3", "case.4"]
    for line, words in zip(lines, ("cannot be decoded", "No file", "9 × 8", "the values 0, 1, 2"), strict=True):
        assert words in line


def test_only_the_first_problems_are_listed(tmp_path):
    make_plain(tmp_path, count=8)
    for path in (tmp_path / "labels").iterdir():
        Image.fromarray(speckle(1).T).save(path)
    with pytest.raises(ValueError, match="8 of 8 records cannot be used, the first 5:") as error:
        check_dataset(read_dataset(tmp_path))
    assert len(str(error.value).splitlines()) == 6
