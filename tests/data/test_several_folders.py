# SPDX-License-Identifier: Apache-2.0
"""Several data sets read as one: ids and patients stay distinct, and every part has a share of each data set."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.data import (
    BreastUltrasoundDataset,
    PooledDataset,
    choose_split,
    list_images,
    random_splits,
    read_dataset,
    read_splits,
)
from monai_kd.data.splits.protocols import make_splits
from monai_kd.phantom import write_phantoms
from tests.data.layout_fixtures import make_bus_bra, make_plain


@pytest.fixture
def two(tmp_path):
    """Ten phantoms in one folder and twenty others in another, with the same ids."""
    folders = [tmp_path / "first", tmp_path / "second"]
    write_phantoms(folders[0], count=10)
    write_phantoms(folders[1], count=20, seed=1)
    return folders


def test_two_data_sets_are_one(two):
    records = read_dataset(two)
    assert len(records) == 30
    assert len({record["id"] for record in records}) == 30
    assert Counter(record["dataset"] for record in records) == {"first": 10, "second": 20}
    alone = read_dataset(two[1])[0]
    same = next(record for record in records if record["id"] == f"second_{alone['id']}")
    assert same == {**alone, "id": same["id"], "patient": f"second_{alone['patient']}", "dataset": "second"}


def test_one_folder_in_a_list_has_its_name_too(two):
    assert all(record["id"].startswith("first_") for record in read_dataset(two[:1]))


def test_every_part_has_its_share_of_each(two):
    split = choose_split(two)
    for part, ids in split.items():
        assert sum(key.startswith("second_") for key in ids) / len(ids) == pytest.approx(2 / 3, abs=0.17), part
    assert set(split["training"]).isdisjoint(split["test"])


def test_patients_of_one_name_in_two_data_sets_are_two(tmp_path):
    folders = [tmp_path / "one" / "a", tmp_path / "two" / "b"]
    for folder in folders:
        make_bus_bra(folder)
    patients = {record["patient"] for record in read_dataset(folders)}
    assert len(patients) == 2 * len({record["patient"] for record in read_dataset(folders[0])})


def test_the_same_picture_in_both_stays_in_one_part(tmp_path):
    write_phantoms(tmp_path / "a", count=12)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    split = choose_split([tmp_path / "a", tmp_path / "b"])
    part_of = {key: part for part, ids in split.items() for key in ids}
    assert all(part_of[key] == part_of[f"b_{key[2:]}"] for key in part_of if key.startswith("a_"))


def test_data_sets_to_train_on(two):
    images = BreastUltrasoundDataset(two, labels=6, progress=False)
    pool = PooledDataset(two, labels=6, progress=False)
    kept = [sample["id"] for sample in images]
    assert kept == [sample["id"] for sample in pool if sample["has_label"]]
    assert {key.split("_")[0] for key in kept} == {"first", "second"}
    assert len(pool) > len(kept) == 6


def test_images_of_several_folders_are_listed(two):
    assert sorted(record["id"] for record in list_images(two)) == [record["id"] for record in read_dataset(two)]


@pytest.mark.parametrize("folders", [["x/same", "y/same"], ["x/same", "x/same"], ["x/same", "x/../x/same/"]])
def test_folders_of_one_name_are_refused(tmp_path, folders):
    for folder in {"x/same", "y/same"}:
        make_plain(tmp_path / folder)
    with pytest.raises(ValueError, match=r"same' and .*same' have the same name.*List each folder once, or rename one"):
        read_dataset([tmp_path / folder for folder in folders])


def test_an_id_that_two_data_sets_give_is_refused(tmp_path):
    for folder, name in (("a", "b_case.1"), ("a_b", "case.1")):
        make_plain(tmp_path / folder, count=1)
        for part in ("images", "labels"):
            (tmp_path / folder / part / "case.1.png").rename(tmp_path / folder / part / f"{name}.png")
    with pytest.raises(ValueError, match=r"1 ids are in two data sets: a_b_case\.1\. Rename one of the folders\."):
        read_dataset([tmp_path / "a", tmp_path / "a_b"])


def test_no_folder_at_all():
    with pytest.raises(ValueError, match=r"dataset_dir is an empty list\. Set it to the folder"):
        read_dataset([])


def test_a_missing_one_is_named(two):
    with pytest.raises(FileNotFoundError, match=r"No folder .*third\. Set dataset_dir"):
        read_dataset([*two, two[0].parent / "third"])


def test_official_folds_are_those_of_one_data_set(tmp_path):
    for name in ("a", "b"):
        make_bus_bra(tmp_path / name)
    folders = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ValueError, match=r"Official folds belong to one data set, got a list"):
        make_splits("official", read_dataset(folders), folders)


def test_the_command_splits_several(two, tmp_path):
    out = tmp_path / "both.json"
    run = CliRunner().invoke(
        app, ["data", "split", *map(str, two), "--output-file", str(out), "--protocol", "kfold", "--k", "3"]
    )
    assert run.exit_code == 0, run.output
    assert "3 splits in" in run.output
    assert json.loads(out.read_text())["layout"] == "dataset_a + dataset_a"
    splits = read_splits(out, read_dataset(two))
    across = tmp_path / "across.json"
    run = CliRunner().invoke(
        app, ["data", "split", *map(str, two), "--output-file", str(across), "--labels-of", "first"]
    )
    assert run.exit_code == 0, run.output
    for split, former in zip(read_splits(across, read_dataset(two)), random_splits(read_dataset(two)), strict=True):
        assert sorted(split["training"] + split["unlabelled"]) == sorted(former["training"])
        assert all(key.startswith("first_") for key in split["training"])
        assert all(key.startswith("second_") for key in split["unlabelled"])
        assert split["test"] == former["test"]
    run = CliRunner().invoke(
        app, ["data", "split", *map(str, two), "--output-file", str(tmp_path / "c.json"), "--labels-of", "third"]
    )
    assert "No data set 'third' whose labels to keep. Known: first, second." in str(run.exception)
    assert sorted(key for split in splits for key in split["test"]) == [record["id"] for record in read_dataset(two)]
