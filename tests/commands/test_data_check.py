# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from typer.testing import CliRunner

from monai_kd.__main__ import app
from monai_kd.data import random_splits, read_dataset, write_splits
from tests.data.layout_fixtures import make_breast, make_bus_bra, make_plain


def check(*arguments):
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)])


def test_sound_data_set(tmp_path):
    result = check(make_breast(tmp_path))
    assert result.exit_code == 0
    for words in (
        "breast: it has files case001.png and case001_tumor.png",
        "5, 5 mask files, 5 patients",
        "4 benign, 1 malignant",
        "left out case045",
        "Nothing prevents training",
    ):
        assert words in result.output
    assert "plain" not in result.output  # what the folder is not


def test_problems_are_listed_and_the_status_is_1(tmp_path):
    make_plain(tmp_path / "[set]", count=9)
    for number in range(1, 8):
        (tmp_path / f"[set]/images/case.{number}.png").write_bytes(b"<html>")
    result = check(tmp_path / "[set]")
    assert result.exit_code == 1
    assert "unreadable image (7)" in result.output
    assert f"{tmp_path}/[set]/images/case.1.png cannot be decoded" in result.output
    assert "and 2 more" in result.output and "case.6.png" not in result.output
    assert "Not ready for training" in result.output


def test_json_and_sheet(tmp_path):
    make_bus_bra(tmp_path / "data")
    result = check(tmp_path / "data", "--json-file", tmp_path / "report.json", "--sheet-file", tmp_path / "check.png")
    assert result.exit_code == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["layout"], report["images"], report["is_trainable"]) == ("bus_bra", 18, True)
    assert (tmp_path / "check.png").read_bytes().startswith(b"\x89PNG")


def test_json_on_the_terminal_is_nothing_but_json(tmp_path):
    result = check(make_plain(tmp_path), "--json")
    assert json.loads(result.stdout)["layout"] == "plain"


def test_nothing_is_written_unasked(tmp_path):
    make_plain(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    check(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_unknown_layout(tmp_path):
    (tmp_path / "pictures").mkdir()
    result = check(tmp_path, "--sheet-file", tmp_path / "check.png")
    assert result.exit_code == 1
    assert "No known layout" in result.output
    assert not (tmp_path / "check.png").exists()


def test_leaking_split_file(tmp_path):
    records = read_dataset(make_bus_bra(tmp_path / "data"))
    (split, *_) = random_splits(records)
    write_splits(tmp_path / "good.json", [split], "random", "bus_bra", 0)
    assert check(tmp_path / "data", "--split-file", tmp_path / "good.json").exit_code == 0
    pair = next(key for key in split["training"] if key.endswith("-l"))
    other = pair.replace("-l", "-r")
    split["training"].remove(other)
    split["test"].append(other)
    write_splits(tmp_path / "bad.json", [split], "random", "bus_bra", 0)
    result = check(tmp_path / "data", "--split-file", tmp_path / "bad.json")
    assert result.exit_code == 1
    assert f"{pair} (training) and {other} (test) are both of patient" in result.output
