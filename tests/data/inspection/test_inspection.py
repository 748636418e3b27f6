# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
import threading

import numpy as np
import pytest

from monai_kd.data import inspect_dataset, random_splits, read_dataset, write_splits
from tests.data.duplicates.pictures import jpeg, tissue
from tests.data.layout_fixtures import (
    lesion,
    make_bus_bra,
    make_dataset_a,
    make_plain,
    write_csv,
    write_image,
)


def make(root, count=6):
    for number in range(1, count + 1):
        picture = tissue(number)
        write_image(root / "images" / f"{number}.png", picture)
        write_image(root / "labels" / f"{number}.png", lesion(number, picture.shape))
    return root


def kinds(found):
    return [(problem.kind, problem.ids) for problem in found.problems]


def test_sound_data_set(tmp_path):
    found = inspect_dataset(make_bus_bra(tmp_path))
    summary = found.to_dict()
    assert found.is_trainable
    assert not found.problems
    assert (found.layout, found.folder) == ("bus_bra", str(tmp_path))
    assert found.because == "folder Images, folder Masks, bus_data.csv"
    assert found.lacking["plain"] == "folder images, folder labels or masks"
    assert (summary["images"], summary["masks"], summary["patients"]) == (18, 18, 12)
    assert summary["pathologies"] == {"benign": 12, "malignant": 6}
    assert summary["images_per_patient"] == {"1": 6, "2": 6}
    assert summary["encodings"] == {"PNG, 8 bit gray": 18}
    assert summary["width"] == {"min": 40, "median": 40, "max": 40}
    assert summary["height"] == {"min": 28, "median": 28, "max": 28}


def test_lesion_and_gray_values_are_those_of_the_files(tmp_path):
    make(tmp_path, 3)
    summary = inspect_dataset(tmp_path).to_dict()
    fractions = [lesion(number, (160, 120)).mean() for number in (1, 2, 3)]
    means = [tissue(number).mean() for number in (1, 2, 3)]
    for key, values in (("lesion_fraction", fractions), ("gray_mean", means)):
        expected = {"min": min(values), "median": float(np.median(values)), "max": max(values)}
        assert summary[key] == pytest.approx(expected, rel=1e-6)


def test_everything_is_listed_at_once(tmp_path):
    make(tmp_path, 5)
    (tmp_path / "images/1.png").write_bytes(b"<html>")
    write_image(tmp_path / "labels/2.png", lesion(2, (9, 8)))
    write_image(tmp_path / "labels/3.png", tissue(3))
    write_image(tmp_path / "images/4.nii.gz", np.full((160, 120), np.nan, dtype=np.float32))
    (tmp_path / "images/4.png").unlink()
    found = inspect_dataset(tmp_path)
    assert not found.is_trainable
    assert kinds(found) == [
        ("unreadable image", ("1",)),
        ("unreadable image", ("4",)),
        ("unusable mask", ("2",)),
        ("unusable mask", ("3",)),
    ]
    for problem, words in zip(
        found.problems, ("1.png cannot be decoded", "NaN", "9 × 8", "not two-level"), strict=True
    ):
        assert words in problem.message
        assert problem.prevents_training
        assert "Refused" in problem.consequence
    assert found.to_dict()["images"] == 5


@pytest.mark.parametrize(
    ("kind", "key", "change"),
    [
        ("empty mask", "labels", np.zeros_like),
        ("mask covers everything", "labels", lambda mask: np.ones_like(mask)),
        ("inverted mask", "labels", lambda mask: ~mask),
        ("tiny lesion", "labels", lambda mask: mask & (np.cumsum(mask).reshape(mask.shape) < 9)),
        ("constant image", "images", lambda image: image * 0 + 9),
        ("dark image", "images", lambda image: image // 32),
        ("not 0 to 255", "images", lambda image: image.astype(np.uint16) * 100),
    ],
)
def test_one_odd_file(tmp_path, kind, key, change):
    make(tmp_path, 3)
    original = tissue(2) if key == "images" else lesion(2, (160, 120))
    write_image(tmp_path / key / "2.png", change(original))
    found = inspect_dataset(tmp_path)
    assert kinds(found) == [(kind, ("2",))]
    assert found.is_trainable == (kind != "not 0 to 255")


def test_volume(tmp_path):
    make_plain(tmp_path, count=2, suffix=".nii.gz", size=(20, 16, 5))
    assert kinds(inspect_dataset(tmp_path)) == [(("not two-dimensional"), (f"case.{n}",)) for n in (1, 2)]


def test_duplicates_and_near_duplicates(tmp_path):
    make(tmp_path, 6)
    for key in ("images", "labels"):
        (tmp_path / key / "2.png").write_bytes((tmp_path / key / "1.png").read_bytes())
    write_image(tmp_path / "images/4.png", jpeg(tissue(3)))
    write_image(tmp_path / "labels/4.png", lesion(3, (160, 120)))
    found = inspect_dataset(tmp_path)
    assert found.duplicates == [("1", "2")]
    assert [pair[:2] for pair in found.near_duplicates] == [("3", "4")]
    assert kinds(found) == [("duplicates", ("1", "2")), ("near duplicates", ("3", "4"))]
    assert found.is_trainable


def test_duplicates_that_disagree(tmp_path):
    make(tmp_path, 4)
    write_image(tmp_path / "images/2.png", tissue(1))
    write_image(tmp_path / "images/4.png", jpeg(tissue(3)))
    write_image(tmp_path / "labels/4.png", lesion(3, (160, 120))[::-1, ::-1])
    found = [problem for problem in inspect_dataset(tmp_path).problems if problem.kind == "duplicates disagree"]
    assert [problem.ids for problem in found] == [("1", "2"), ("3", "4")]
    assert all("differ in masks" in problem.message for problem in found)


def test_duplicates_of_other_pathology(tmp_path):
    make_dataset_a(tmp_path, duplicates={"000003": "000001"})
    (problem,) = (item for item in inspect_dataset(tmp_path).problems if item.kind == "duplicates disagree")
    assert "pathologies benign (000001), malignant (000003)" in problem.message


def test_patient_of_two_pathologies(tmp_path):
    make_bus_bra(tmp_path)
    rows = [line.split(",") for line in (tmp_path / "bus_data.csv").read_text().splitlines()]
    write_csv(
        tmp_path / "bus_data.csv", [[*row[:2], "malignant" if row[0] == "bus_0001-r" else row[2]] for row in rows]
    )
    assert kinds(inspect_dataset(tmp_path)) == [("patient of several pathologies", ("bus_0001-l", "bus_0001-r"))]


def test_what_a_reader_refuses_is_a_problem(tmp_path):
    make(tmp_path)
    (tmp_path / "labels/2.png").unlink()
    found = inspect_dataset(tmp_path)
    assert not found.is_trainable
    assert found.layout == "plain"
    assert [problem.kind for problem in found.problems] == ["layout"]
    assert "1 of 6 images" in found.problems[0].message and "2.png" in found.problems[0].message


def test_unknown_layout(tmp_path):
    (tmp_path / "pictures").mkdir()
    (problem,) = inspect_dataset(tmp_path).problems
    assert problem.prevents_training and "No known layout" in problem.message and "folder labels" in problem.message
    json.dumps(inspect_dataset(tmp_path).to_dict())


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        inspect_dataset(tmp_path / "nowhere")


def test_remarks_are_the_readers_own_and_logging_is_left_as_it_was(tmp_path):
    make_dataset_a(tmp_path, table=False)
    logger = logging.getLogger("monai_kd.data")
    before = (logger.level, logger.propagate, list(logger.handlers))
    assert any("DatasetB.xlsx" in remark for remark in inspect_dataset(tmp_path).remarks)
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_unknown_patients_are_remarked(tmp_path):
    make_plain(tmp_path, count=2)
    assert any("a patient of its own" in remark for remark in inspect_dataset(tmp_path).remarks)
    (tmp_path / "patients.csv").write_text("id,patient\ncase.1,a\ncase.2,b\n")
    assert inspect_dataset(tmp_path).remarks == []


def test_split_file(tmp_path):
    make_dataset_a(tmp_path / "BUS", duplicates={"000002": "000001"})
    records = read_dataset(tmp_path / "BUS")
    leaking = {"training": ["000001"], "validation": ["000002"], "test": [r["id"] for r in records[2:]]}
    write_splits(tmp_path / "bad.json", [leaking], "random", "dataset_a", 0)
    (problem, *_) = inspect_dataset(tmp_path / "BUS", split_file=tmp_path / "bad.json").problems
    assert problem.kind == "split file" and problem.prevents_training
    assert "000001 (training) and 000002 (validation)" in problem.message
    content = {record["id"]: str(max(1, index)) for index, record in enumerate(records)}
    write_splits(tmp_path / "good.json", random_splits(records, content=content), "random", "dataset_a", 0)
    assert inspect_dataset(tmp_path / "BUS", split_file=tmp_path / "good.json").is_trainable


def test_split_file_that_is_not_there(tmp_path):
    (problem,) = inspect_dataset(make(tmp_path), split_file=tmp_path / "none.json").problems
    assert problem.kind == "split file" and "none.json" in problem.message


def test_progress(tmp_path):
    calls = []
    caller = threading.get_ident()
    inspect_dataset(make(tmp_path, 3), progress=lambda *done: calls.append((*done, threading.get_ident())), workers=3)
    assert calls == [(done, 3, caller) for done in (1, 2, 3)]
