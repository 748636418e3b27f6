# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.data import check_dataset, hold_out, k_folds, official_folds, random_splits, read_dataset, read_splits
from tests.data.duplicates.pictures import jpeg, tissue
from tests.data.inspection.test_inspection import make
from tests.data.layout_fixtures import make_breast, make_bus_bra, make_plain, write_image


def split(folder, file, *options):
    return CliRunner().invoke(app, ["data", "split", str(folder), "--output-file", str(file), *map(str, options)])


@pytest.fixture
def folder(tmp_path):
    return make_bus_bra(tmp_path / "data")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], lambda records, root: random_splits(records)),
        (["--splits", 2, "--train-fraction", 0.5, "--seed", 4], lambda r, _: random_splits(r, 2, 0.5, seed=4)),
        (["--protocol", "kfold", "--k", 3], lambda records, root: k_folds(records, 3)),
        (["--protocol", "holdout", "--test-fraction", 0.3], lambda records, root: hold_out(records, test_fraction=0.3)),
        (["--protocol", "holdout", "--test_fraction", 0.3], lambda records, root: hold_out(records, test_fraction=0.3)),
        (["--protocol", "official", "--k", 10], lambda records, root: official_folds(records, root, 10)),
    ],
    ids=["random", "options", "kfold", "holdout", "underscores", "official"],
)
def test_file_holds_what_the_functions_give(folder, tmp_path, options, expected):
    result = split(folder, tmp_path / "splits.json", *options)
    assert result.exit_code == 0, result.output
    records = read_dataset(folder)
    content = check_dataset(records)
    assert read_splits(tmp_path / "splits.json", records, content) == expected(records, folder)
    assert json.loads((tmp_path / "splits.json").read_text())["layout"] == "bus_bra"


def test_table_counts_images_patients_and_pathologies(folder, tmp_path):
    result = split(folder, tmp_path / "splits.json", "--protocol", "kfold", "--k", 3)
    (first, *_) = read_splits(tmp_path / "splits.json", read_dataset(folder))
    row = next(line for line in result.output.splitlines() if "training" in line)
    numbers = [int(cell) for cell in row.replace("│", " ").split() if cell.isdigit()]
    assert numbers[:2] == [0, len(first["training"])]
    assert numbers[2] == len({key[:8] for key in first["training"]})
    assert sum(numbers[3:]) == numbers[1]


def test_near_duplicates_stay_together_unless_told_otherwise(tmp_path):
    make(tmp_path / "data", 4)
    write_image(tmp_path / "data/images/4.png", jpeg(tissue(3)))
    for seed in range(6):
        split(tmp_path / "data", tmp_path / f"{seed}.json", "--seed", seed)
        split(tmp_path / "data", tmp_path / f"exact{seed}.json", "--seed", seed, "--no-near-duplicates")

    def together(name):
        parts = json.loads((tmp_path / name).read_text())["splits"]
        return all(any({"3", "4"} <= set(ids) for ids in part.values()) for part in parts)

    assert all(together(f"{seed}.json") for seed in range(6))
    assert not all(together(f"exact{seed}.json") for seed in range(6))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--k", 3], "'random' takes splits, train_fraction, validation_fraction, but not k"),
        (["--protocol", "kfold", "--splits", 3], "'kfold' takes k, validation_fraction, but not splits"),
        (["--protocol", "official"], "has the layout 'breast', but only 'bus_bra' has official folds"),
        (["--train-fraction", 2], "train_fraction must lie between 0 and 1, got 2"),
    ],
)
def test_refusals(tmp_path, options, words):
    result = split(make_breast(tmp_path / "data"), tmp_path / "splits.json", *options)
    assert result.exit_code == 1
    assert words in str(result.exception)
    assert not (tmp_path / "splits.json").exists()


def test_former_file_is_kept(tmp_path):
    (tmp_path / "splits.json").write_text("{}")
    result = split(make_plain(tmp_path / "data"), tmp_path / "splits.json")
    assert "exists" in str(result.exception)
    assert (tmp_path / "splits.json").read_text() == "{}"
