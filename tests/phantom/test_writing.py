# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image

from monai_kd.data.layouts import read_dataset
from monai_kd.phantom import phantom, write_phantoms


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantoms") / "BUS"
    write_phantoms(out, count=6, seed=3)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def test_files_do_not_depend_on_count(written, tmp_path):
    write_phantoms(tmp_path / "fewer", count=2, seed=3)
    fewer, more = files(tmp_path / "fewer"), files(written)
    assert len(fewer) == 4
    assert all(more[name] == content for name, content in fewer.items())


def test_layout_is_dataset_a(written):
    ids = [f"{index:06d}" for index in range(1, 7)]
    assert sorted(path.name for path in written.iterdir()) == ["DatasetB.xlsx", "GT", "original"]
    for folder in ("original", "GT"):
        assert sorted(path.name for path in (written / folder).iterdir()) == [f"{key}.png" for key in ids]
    rows = list(load_workbook(written / "DatasetB.xlsx").worksheets[0].iter_rows(values_only=True))
    assert rows[0] == ("Image", "Type")
    assert [row[0] for row in rows[1:]] == ids
    assert [row[1] for row in rows[1:]] == [phantom(index, seed=3)[2] for index in range(1, 7)]


def test_written_pictures_are_the_phantoms_and_mask_modes_are_mixed(written):
    modes = set()
    for index in range(1, 7):
        image, mask, _ = phantom(index, seed=3)
        with Image.open(written / "original" / f"{index:06d}.png") as picture:
            assert picture.mode == "L" and np.array_equal(np.asarray(picture), image)
        with Image.open(written / "GT" / f"{index:06d}.png") as label:
            modes.add(label.mode)
            assert set(np.unique(np.asarray(label.convert("L")))) == {0, 255}
            assert np.array_equal(np.asarray(label.convert("L")) > 0, mask)
    assert modes == {"1", "L"}


def test_the_reader_of_dataset_a_takes_it(written):
    records = read_dataset(written)
    assert len(records) == 6
    assert {record["pathology"] for record in records} <= {"benign", "malignant"}


def test_progress_hears_of_every_phantom_and_an_empty_folder_is_taken(tmp_path):
    done = []
    (tmp_path / "out").mkdir()
    write_phantoms(tmp_path / "out", count=2, progress=done.append)
    assert done == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("count", [0, -3])
def test_count_below_one_is_refused(tmp_path, count):
    with pytest.raises(ValueError, match=f"got {count}"):
        write_phantoms(tmp_path / "out", count=count)
    assert not list(tmp_path.iterdir())


def test_negative_seed_or_index_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seed"):
        write_phantoms(tmp_path / "out", count=1, seed=-1)
    with pytest.raises(ValueError, match="index"):
        phantom(-1)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"not empty.*Choose a folder"):
        write_phantoms(tmp_path, count=1)
    assert (tmp_path / "kept.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_way_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="Choose a folder"):
        write_phantoms(tmp_path / name, count=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ValueError, match=r"Cannot write the folder .*out.*Permission denied"):
        write_phantoms(tmp_path / "out", count=1)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_after_a_failure(tmp_path, error):
    def fail_at_two(done):
        if done == 2:
            raise error

    with pytest.raises(error):
        write_phantoms(tmp_path / "out", count=3, progress=fail_at_two)
    assert not list(tmp_path.iterdir())
